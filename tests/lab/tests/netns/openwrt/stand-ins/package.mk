# Stand-in for OpenWrt's package.mk: installs a package into DESTDIR.

define BuildPackage
install:
	$(call Package/$(1)/install,$(DESTDIR))
version:
	@echo $(PKG_NAME) $(PKG_VERSION)
endef

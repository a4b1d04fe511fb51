# Stands in for OpenWrt's package.mk: enough to install a package into DESTDIR.

define BuildPackage
install:
	$(call Package/$(1)/install,$(DESTDIR))
version:
	@echo $(PKG_NAME) $(PKG_VERSION)
endef

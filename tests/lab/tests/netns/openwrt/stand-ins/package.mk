# Stand-in for OpenWrt's package.mk and what it includes. Targets:
#
#   dumpinfo  (DUMP=1) what `scripts/feeds update` and menuconfig know of the package, without .config
#   package   the files, and in CONTROL what opkg and apk get, in IDIR
#   install   the files, and what opkg keeps of a package in an image, in DESTDIR
#   version
#
# BUILD_DIR is the directory for building, DL_DIR (if set) has the source, BINARY is what the compiler would make.

.PHONY: all dumpinfo files package install version
all: $(if $(DUMP),dumpinfo,package)

PKG_BUILD_DIR?=$(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR?=$(PKG_BUILD_DIR)/ipkg-install
VERSION:=$(PKG_VERSION)-r$(PKG_RELEASE)
IDIR?=$(BUILD_DIR)/ipkg
ifneq ($(DUMP),)
  $(foreach name,$(filter CONFIG_%,$(.VARIABLES)),$(eval override undefine $(name)))
endif

# A package that has none of its own gets these.
define Build/Prepare/Default
	$(if $(filter-out skip,$(PKG_HASH)),echo '$(PKG_HASH)  $(DL_DIR)/$(PKG_SOURCE)' | sha256sum -c --quiet -)
	gzip -dc $(DL_DIR)/$(PKG_SOURCE) | tar -C $(BUILD_DIR) -xf -
endef
Build/Prepare=$(Build/Prepare/Default)

# A file's text; empty variables make no file.
write=$(if $($(1)),$(file >$(2),$($(1))))
# PROVIDES of opkg; of apk: a name without @ has the version, and only one package of a system can provide that.
provides/opkg=$(patsubst @%,%,$(PROVIDES))
provides/apk=$(foreach name,$(PROVIDES),$(if $(filter @%,$(name)),$(name:@%=%),$(name)=$(VERSION)))
list=$(subst $(space),$(comma)$(space),$(strip $(1)))

define Package/Control
Package: $(1)
Version: $(VERSION)
Depends: $(call list,libc $(patsubst +%,%,$(filter-out @%,$(DEPENDS))))
Conflicts: $(call list,$(CONFLICTS))
Provides: $(call list,$(provides/opkg))
Provides-apk: $(call list,$(provides/apk))
License: $(PKG_LICENSE)
URL: $(URL)
Maintainer: $(PKG_MAINTAINER)
Architecture: any
Description: $(TITLE)
endef

define Dumpinfo
Package: $(1)
Version: $(VERSION)
Depends: $(strip $(DEPENDS))
Conflicts: $(CONFLICTS)
Provides: $(PROVIDES)
$(if $(DEFAULT_VARIANT),Default-Variant: $(VARIANT))
Build-Depends: $(PKG_BUILD_DEPENDS)
Section: $(SECTION)
Category: $(CATEGORY)
Title: $(TITLE)
Maintainer: $(PKG_MAINTAINER)
Source: $(PKG_SOURCE)
License: $(PKG_LICENSE)
LicenseFiles: $(PKG_LICENSE_FILES)
URL: $(URL)
Config:
$(Package/$(1)/config)
@@
endef

# Conffiles that are not among the files: sysupgrade looks for them itself.
define BuildPackage
$(eval $(Package/$(1)))
dumpinfo:
	$$(info $$(call Dumpinfo,$(1)))@:

files:
	rm -rf $(IDIR) && mkdir -p $(IDIR)/CONTROL $(PKG_BUILD_DIR)
	$$(if $(DL_DIR),$$(Build/Prepare))
	$$(Build/Compile)
	$$(call Package/$(1)/install,$(IDIR))
	for name in $$(strip $$(Package/$(1)/conffiles)); do \
		[ -f "$(IDIR)$$$$name" ] || { mkdir -p $(IDIR)/lib/upgrade/keep.d; echo "$$$$name" >>$(IDIR)/lib/upgrade/keep.d/$(1); }; \
	done

package: files
	$$(file >$(IDIR)/CONTROL/control,$$(call Package/Control,$(1)))
	$$(call write,Package/$(1)/conffiles,$(IDIR)/CONTROL/conffiles)
	$$(foreach script,preinst postrm,$$(call write,Package/$(1)/$$(script),$(IDIR)/CONTROL/$$(script)))
	$$(foreach script,postinst prerm,$$(call write,Package/$(1)/$$(script),$(IDIR)/CONTROL/$$(script)-pkg))@:

install: package
	mkdir -p $(DESTDIR)/usr/lib/opkg/info
	(cd $(IDIR) && find . -path ./CONTROL -prune -o ! -type d -print) | sed 's/^\.//' >$(DESTDIR)/usr/lib/opkg/info/$(1).list
	for file in $(IDIR)/CONTROL/*; do cp "$$$$file" "$(DESTDIR)/usr/lib/opkg/info/$(1).$$$${file##*/}"; done
	(cd $(IDIR) && tar --exclude=./CONTROL -cf - .) | tar -C $(DESTDIR) -xf -

version:
	@echo $(PKG_NAME) $(PKG_VERSION)
endef

# Stand-in for lang/rust/rust-package.mk of OpenWrt's feed `packages`. Instead of compiling it copies BINARY and records
# in $(PKG_INSTALL_DIR)/cargo what would run.
RUST_ARCH_DEPENDS:=@(aarch64||arm||i386||i686||mips||mipsel||mips64||mips64el||powerpc64||riscv64||x86_64)
RUST_PKG_LOCKED?=1
CARGO_PKG_VARS=\
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_LTO=true \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
	CARGO_PROFILE_RELEASE_PANIC=unwind
CARGO_PKG_ARGS=$(if $(filter 1,$(RUST_PKG_LOCKED)),--locked)

# Arguments: a path below the sources, further arguments of cargo.
define Build/Compile/Cargo
	mkdir -p $(PKG_INSTALL_DIR)/bin
	echo '$(strip $(CARGO_PKG_VARS) cargo install --profile release \
		$(if $(strip $(RUST_PKG_FEATURES)),--features "$(strip $(RUST_PKG_FEATURES))") \
		$(CARGO_PKG_ARGS) $(2) --path $(PKG_BUILD_DIR)/$(strip $(1)))' >$(PKG_INSTALL_DIR)/cargo
	$(CP) $(BINARY) $(PKG_INSTALL_DIR)/bin/vrrpd
endef

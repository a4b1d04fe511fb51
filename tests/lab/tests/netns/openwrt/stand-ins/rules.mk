# Stand-in for OpenWrt's rules.mk.
INCLUDE_DIR:=$(TOPDIR)
INSTALL_DIR:=install -d -m 755
INSTALL_BIN:=install -m 755
INSTALL_CONF:=install -m 600
INSTALL_DATA:=install -m 644
LN:=ln -sf
CP:=cp -fpR
empty:=
space:=$(empty) $(empty)
comma:=,

define newline


endef

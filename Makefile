# make install [PREFIX=/usr/local] [DESTDIR=]: the commands, the module, the manual.
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= python3

root = $(DESTDIR)$(PREFIX)
lib = share/procalive
pages = $(wildcard man/*.[1-9])

all:
	@echo 'Nothing to build.  make install, make uninstall, make check.'

# Compiled here, because those who call it later may not write there.
install:
	install -d $(root)/bin $(root)/$(lib)
	install -m 755 bin/procalive $(root)/bin/
	install -m 644 procalive.py $(root)/$(lib)/
	for page in $(pages); do \
	    install -D -m 644 $$page $(root)/share/man/man$${page##*.}/$${page##*/} || exit; \
	done
	if [ -x /usr/bin/python3 ]; then python=/usr/bin/python3; else python=$(PYTHON); fi; \
	    $$python -m compileall -q -d $(PREFIX)/$(lib) $(root)/$(lib)

uninstall:
	rm -f $(root)/bin/procalive
	rm -rf $(root)/$(lib)
	for page in $(pages); do rm -f $(root)/share/man/man$${page##*.}/$${page##*/}; done

check:
	tests/run

.PHONY: all install uninstall check

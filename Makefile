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
	install -m 644 procalive.py shell/procalive.sh $(root)/$(lib)/
	install -m 755 bin/procalivectl $(root)/bin/
	install -d $(root)/$(lib)/procalivectl/alerts
	install -m 644 procalivectl/*.py $(root)/$(lib)/procalivectl/
	install -m 644 procalivectl/alerts/*.yml $(root)/$(lib)/procalivectl/alerts/
	install -D -m 644 shell/completions/procalive.bash-completion $(root)/share/bash-completion/completions/procalive
	install -D -m 644 shell/completions/_procalive $(root)/share/zsh/site-functions/_procalive
	install -D -m 644 shell/completions/procalive.fish $(root)/share/fish/vendor_completions.d/procalive.fish
	for page in $(pages); do \
	    install -D -m 644 $$page $(root)/share/man/man$${page##*.}/$${page##*/} || exit; \
	done
	if [ -x /usr/bin/python3 ]; then python=/usr/bin/python3; else python=$(PYTHON); fi; \
	    $$python -m compileall -q -d $(PREFIX)/$(lib) $(root)/$(lib)

uninstall:
	rm -f $(root)/bin/procalive $(root)/bin/procalivectl
	rm -f $(root)/share/bash-completion/completions/procalive $(root)/share/zsh/site-functions/_procalive
	rm -f $(root)/share/fish/vendor_completions.d/procalive.fish
	rm -rf $(root)/$(lib)
	for page in $(pages); do rm -f $(root)/share/man/man$${page##*.}/$${page##*/}; done

check:
	tests/run

.PHONY: all install uninstall check

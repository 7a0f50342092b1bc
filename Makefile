# make install [PREFIX=/usr/local] [DESTDIR=]: the commands, the module, the shell
# library and recipes, the manual.
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= python3

# Left to the shell, in quotes: a blank in it would make two names, for `rm -rf` too.
export DESTDIR PREFIX
root = "$$DESTDIR$$PREFIX"
lib = share/procalive
pages = $(wildcard man/*.[1-9])

all:
	@echo 'Nothing to build.  make install, make uninstall, make check.'

# Compiled here, because those who call it later may not write there; to be read
# by them, though of all these commands only install(1) sets the umask aside.
install:
	install -d $(root)/bin $(root)/$(lib)
	install -m 755 bin/procalive $(root)/bin/
	install -m 644 procalive.py shell/procalive.sh $(root)/$(lib)/
	install -m 755 bin/procalivectl $(root)/bin/
	install -d $(root)/$(lib)/procalivectl/alerts
	install -m 644 procalivectl/*.py $(root)/$(lib)/procalivectl/
	install -m 644 procalivectl/alerts/*.yml procalivectl/alerts/*.json $(root)/$(lib)/procalivectl/alerts/
	install -d $(root)/$(lib)/examples $(root)/$(lib)/cron $(root)/$(lib)/systemd
	install -m 755 shell/examples/* $(root)/$(lib)/examples/
	install -m 644 shell/cron/* $(root)/$(lib)/cron/
	install -m 644 shell/systemd/* $(root)/$(lib)/systemd/
	install -D -m 644 shell/completions/procalive.bash-completion $(root)/share/bash-completion/completions/procalive
	install -D -m 644 shell/completions/_procalive $(root)/share/zsh/site-functions/_procalive
	install -D -m 644 shell/completions/procalive.fish $(root)/share/fish/vendor_completions.d/procalive.fish
	for page in $(pages); do \
	    install -D -m 644 $$page $(root)/share/man/man$${page##*.}/$${page##*/} || exit; \
	done
	if [ -x /usr/bin/python3 ]; then python=/usr/bin/python3; else python=$(PYTHON); fi; \
	    umask 022; $$python -m compileall -q -d "$$PREFIX"/$(lib) $(root)/$(lib)

uninstall:
	rm -f $(root)/bin/procalive $(root)/bin/procalivectl
	rm -f $(root)/share/bash-completion/completions/procalive $(root)/share/zsh/site-functions/_procalive
	rm -f $(root)/share/fish/vendor_completions.d/procalive.fish
	rm -rf $(root)/$(lib)
	for page in $(pages); do rm -f $(root)/share/man/man$${page##*.}/$${page##*/}; done

check:
	tests/run

.PHONY: all install uninstall check

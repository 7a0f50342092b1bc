# make install [PREFIX=/usr/local] [DESTDIR=]: the commands, the module, the shell
# library and recipes, the manual.
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= python3

# Left to the shell, in quotes: a blank in it would make two names, for `rm -rf` too.
export DESTDIR PREFIX
root = "$$DESTDIR$$PREFIX"
lib = share/procalive
# Where fish looks without XDG_DATA_DIRS: below /usr/local it does not.
fish = $(if $(filter /usr/local,$(PREFIX)),"$$DESTDIR"/etc/fish/completions,$(root)/share/fish/vendor_completions.d)
pages = $(wildcard man/*.[1-9])
commands = $(wildcard bin/*)
modules = $(wildcard $(foreach name,procalivectl procalivefleet,$(name)/*.py $(name)/*/*.yml $(name)/*/*.json))

all:
	@echo 'Nothing to build.  make install, make uninstall, make check.'

# Compiled here, because those who call it later may not write there; to be read
# by them, though of all these commands only install(1) sets the umask aside.
install:
	install -d $(root)/bin $(root)/$(lib)
	install -m 755 $(commands) $(root)/bin/
	install -m 644 procalive.py shell/procalive.sh $(root)/$(lib)/
	for file in $(modules); do install -D -m 644 $$file $(root)/$(lib)/$$file || exit; done
	install -d $(root)/$(lib)/examples $(root)/$(lib)/cron $(root)/$(lib)/systemd
	install -m 755 shell/examples/* $(root)/$(lib)/examples/
	install -m 644 shell/cron/* $(root)/$(lib)/cron/
	install -m 644 shell/systemd/* $(root)/$(lib)/systemd/
	for name in procalive procalivectl; do \
	    install -D -m 644 shell/completions/$$name.bash-completion $(root)/share/bash-completion/completions/$$name && \
	    install -D -m 644 shell/completions/_$$name $(root)/share/zsh/site-functions/_$$name && \
	    install -D -m 644 shell/completions/$$name.fish $(fish)/$$name.fish || exit; \
	done
	for page in $(pages); do \
	    install -D -m 644 $$page $(root)/share/man/man$${page##*.}/$${page##*/} || exit; \
	done
	if [ -x /usr/bin/python3 ]; then python=/usr/bin/python3; else python=$(PYTHON); fi; \
	    umask 022; $$python -m compileall -q -d "$$PREFIX"/$(lib) $(root)/$(lib)

uninstall:
	for command in $(commands); do rm -f $(root)/$$command; done
	for name in procalive procalivectl; do \
	    rm -f $(root)/share/bash-completion/completions/$$name $(root)/share/zsh/site-functions/_$$name $(fish)/$$name.fish; \
	done
	rm -rf $(root)/$(lib) $(root)/lib/procalivectl # the latter: the console's libraries, if they were asked for
	for page in $(pages); do rm -f $(root)/share/man/man$${page##*.}/$${page##*/}; done

check:
	tests/run

# The manuals and documents for a browser, into build/html: mandoc, Markdown for Python.
html:
	$(PYTHON) docs/pages.py build/html

# --- packages: into dist/ ---

version = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' procalive.py)
source = build/procalive-$(version)
# Two builds of one commit are equal to the byte.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# What git tracks, as it is in the working tree.
source:
	rm -rf $(source) && mkdir -p $(source) dist
	git ls-files | tar -c -T - | tar -x -C $(source)

dist: source
	cd $(source) && $(PYTHON) -m build -o $(CURDIR)/dist
	# setuptools dates the source archive by the clock.
	rm -rf build/sdist && mkdir build/sdist && tar -xzf dist/procalive-$(version).tar.gz -C build/sdist
	tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner -cf - -C build/sdist \
	    procalive-$(version) | gzip -n >dist/procalive-$(version).tar.gz

deb: source
	cp -R $(source)/packaging/debian $(source)/debian
	cd $(source) && dpkg-buildpackage -us -uc -b
	mv build/*_$(version)_all.deb dist/

rpm: source
	tar -C build --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 -cf - procalive-$(version) | \
	    gzip -n >build/procalive-$(version).tar.gz
	rpmbuild -bb --nodeps --define "_topdir $(CURDIR)/build/rpm" --define "_sourcedir $(CURDIR)/build" \
	    --define "upstream_version $(version)" --define "_buildhost reproducible" \
	    --define "use_source_date_epoch_as_buildtime 1" packaging/procalive.spec
	mv build/rpm/RPMS/noarch/*.rpm dist/

.PHONY: all install uninstall check html source dist deb rpm

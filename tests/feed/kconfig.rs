//! What OpenWrt's build system makes of the descriptions of packages: the symbols of its menuconfig,
//! as far as `depends on`, `select` and their conditions go.

use std::collections::{BTreeMap, BTreeSet};

/// One package, as `make DUMP=1` describes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) depends: Vec<String>,
    pub(crate) provides: Vec<String>,
    pub(crate) conflicts: Vec<String>,
    pub(crate) default_variant: bool,
    pub(crate) config: String,
}

impl Package {
    /// Packages end with a line `@@`.
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        let all = text.split("\n@@").filter(|one| !one.trim().is_empty());
        all.map(Self::parse).collect()
    }

    fn parse(text: &str) -> Self {
        let (fields, config) = text.split_once("\nConfig:\n").unwrap_or((text, ""));
        let mut package = Self {
            config: config.to_owned(),
            ..Self::default()
        };
        for line in fields.lines() {
            let (key, value) = line.split_once(':').unwrap_or_default();
            let words = || value.split_whitespace().map(str::to_owned).collect();
            match key {
                "Package" => package.name = value.trim().to_owned(),
                "Depends" => package.depends = words(),
                "Provides" => package.provides = words(),
                "Conflicts" => package.conflicts = words(),
                "Default-Variant" => package.default_variant = true,
                _ => {}
            }
        }
        package
    }
}

#[derive(Debug, Default)]
struct Symbol {
    depends: Vec<String>,
    /// Symbols, and the condition: empty if there is none.
    selects: Vec<(String, String)>,
}

/// Values of a symbol.
const NO: u8 = 0;
const YES: u8 = 2;

#[derive(Debug, Default)]
pub(crate) struct Kconfig {
    symbols: BTreeMap<String, Symbol>,
}

impl Kconfig {
    pub(crate) fn of(packages: &[Package]) -> Self {
        let scanned = Scanned(packages);
        let mut kconfig = Self::default();
        for package in packages {
            let mut symbol = Symbol::default();
            let mut seen = BTreeSet::new();
            scanned.depends(package, &package.depends, None, &mut symbol, &mut seen);
            for other in scanned.conflicts(package) {
                symbol.depends.push(format!("m || (PACKAGE_{other} != y)"));
            }
            let name = format!("PACKAGE_{}", package.name);
            kconfig.symbols.insert(name, symbol);
            kconfig.options(&package.config);
        }
        kconfig
    }

    /// The options of a package's own.
    fn options(&mut self, text: &str) {
        let mut conditions = Vec::new();
        let mut name = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(condition) = line.strip_prefix("if ") {
                conditions.push(condition.to_owned());
            } else if line == "endif" {
                conditions.pop();
            } else if let Some(option) = line.strip_prefix("config ") {
                name = option.to_owned();
                let symbol = self.symbols.entry(name.clone()).or_default();
                symbol.depends.extend(conditions.iter().cloned());
            } else if let Some(symbol) = self.symbols.get_mut(&name) {
                if let Some(condition) = line.strip_prefix("depends on ") {
                    symbol.depends.push(condition.to_owned());
                } else if let Some(select) = line.strip_prefix("select ") {
                    let (target, condition) = select.split_once(" if ").unwrap_or((select, ""));
                    symbol
                        .selects
                        .push((target.to_owned(), condition.to_owned()));
                }
            }
        }
    }

    /// What the value of a symbol depends on.
    fn needs(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for (selecting, symbol) in &self.symbols {
            if selecting == name {
                found.extend(symbol.depends.iter().flat_map(|one| symbols_in(one)));
            }
            for (_, condition) in symbol.selects.iter().filter(|(target, _)| target == name) {
                found.insert(selecting);
                found.extend(symbols_in(condition));
            }
        }
        found
    }

    /// The symbols of a recursive dependency, if there is one.
    pub(crate) fn recursion(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        let mut names = self.symbols.keys();
        names.find_map(|name| self.visit(name, &mut Vec::new(), &mut done))
    }

    fn visit(
        &self,
        name: &str,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = path.iter().position(|one| one == name) {
            return Some(path.split_off(at));
        }
        if done.contains(name) {
            return None;
        }
        path.push(name.to_owned());
        let mut needs = self.needs(name).into_iter();
        let found = needs.find_map(|need| self.visit(need, path, done));
        path.pop();
        done.insert(name.to_owned());
        found
    }

    /// The packages in an image with these symbols set to `y`.
    pub(crate) fn image(&self, chosen: &[&str]) -> BTreeSet<String> {
        let mut set: BTreeSet<String> = chosen.iter().map(|&name| name.to_owned()).collect();
        loop {
            let before = set.len();
            for (name, symbol) in &self.symbols {
                if !set.contains(name) {
                    continue;
                }
                for (target, condition) in &symbol.selects {
                    if holds(condition, &set) {
                        set.insert(target.clone());
                    }
                }
            }
            if set.len() == before {
                return set;
            }
        }
    }

    /// As a file for a program of the kernel's build system.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("config MODULES\n\tbool\n\tdefault y\n\toption modules\n");
        for (name, symbol) in &self.symbols {
            text += &format!("config {name}\n\ttristate \"{name}\"\n");
            for one in &symbol.depends {
                text += &format!("\tdepends on {one}\n");
            }
            for (target, condition) in &symbol.selects {
                let condition = Some(condition).filter(|one| !one.is_empty());
                let condition = condition.map_or(String::new(), |one| format!(" if {one}"));
                text += &format!("\tselect {target}{condition}\n");
            }
        }
        text
    }
}

/// All packages, in the order in which the feeds are scanned.
struct Scanned<'a>(&'a [Package]);

impl Scanned<'_> {
    /// Packages that a dependency on this name can mean: the one with the name comes before those that provide it, and
    /// before all of them the default variant.
    fn providers(&self, name: &str) -> Vec<&Package> {
        let mut found: Vec<&Package> = Vec::new();
        found.extend(self.0.iter().filter(|one| one.name == name));
        let provides = |one: &&Package| one.provides.iter().any(|provided| provided == name);
        found.extend(self.0.iter().filter(provides));
        found.sort_by_key(|one| !one.default_variant);
        found
    }

    /// Conflicts that are written, and those of a default variant with what provides the same.
    fn conflicts(&self, package: &Package) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let exists = |name: &&String| self.0.iter().any(|one| one.name == **name);
        found.extend(package.conflicts.iter().filter(exists).cloned());
        if package.default_variant {
            for name in package.provides.iter().chain([&package.name]) {
                let others = self.providers(name).into_iter();
                let others = others.filter(|one| !one.default_variant);
                found.extend(others.map(|one| one.name.clone()));
            }
        }
        found
    }

    /// `+name` selects a package, and its own dependencies that are no packages are ours then; `@symbol` and `name` are
    /// dependencies; `condition:` before the name applies to either. `inherited` is the condition under which another
    /// package with these dependencies is selected: its packages are selected by that one.
    fn depends(
        &self,
        package: &Package,
        depends: &[String],
        inherited: Option<&str>,
        symbol: &mut Symbol,
        seen: &mut BTreeSet<(String, String)>,
    ) {
        let own = format!("PACKAGE_{}", package.name);
        let mut further = Vec::new();
        for dependency in depends {
            let body = dependency.trim_start_matches(['@', '+']);
            let flags = &dependency[..dependency.len() - body.len()];
            let (condition, name) = body.rsplit_once(':').unwrap_or(("", body));
            let parent = inherited.unwrap_or("");
            let unconditional = (String::new(), body.to_owned());
            if seen.contains(&unconditional)
                || !seen.insert((parent.to_owned(), body.to_owned()))
                || parent == body
            {
                continue;
            }
            let mut conditions: Vec<String> = Vec::new();
            conditions.extend([parent, condition].map(str::to_owned));
            conditions.retain(|one| !one.is_empty() && *one != own);
            if flags.contains('+') {
                let mut providers = self.providers(name).into_iter();
                let first = providers.next();
                let others = providers.filter(|one| one.name != package.name);
                conditions.extend(others.map(|one| format!("PACKAGE_{}<{own}", one.name)));
                let condition = conditions.join(" && ");
                let name = first.map_or(name, |one| &one.name);
                further.extend(first.map(|one| (&one.depends, condition.clone())));
                let at = flags.contains('@');
                let target = if at { "" } else { "PACKAGE_" };
                if inherited.is_none() {
                    symbol.selects.push((format!("{target}{name}"), condition));
                }
                continue;
            }
            let providers = self.providers(name);
            let names = providers.iter().map(|one| format!("PACKAGE_{}", one.name));
            let mut expression = names.collect::<Vec<_>>().join("||");
            if expression.is_empty() {
                let prefix = if flags.contains('@') { "" } else { "PACKAGE_" };
                expression = format!("{prefix}{name}");
            }
            let condition = conditions.join(" && ");
            symbol.depends.push(if condition.is_empty() {
                expression
            } else {
                format!("!({condition}) || {expression}")
            });
        }
        for (depends, condition) in further {
            self.depends(package, depends, Some(&condition), symbol, seen);
        }
    }
}

/// The symbols of an expression.
fn symbols_in(expression: &str) -> impl Iterator<Item = &str> {
    let is_name = |one: char| one.is_ascii_alphanumeric() || "_-.+".contains(one);
    let words = expression.split(move |one: char| !is_name(one));
    words.filter(|word| !matches!(*word, "" | "y" | "m" | "n"))
}

/// A condition without parentheses and alternatives.
fn holds(condition: &str, set: &BTreeSet<String>) -> bool {
    let value = |name: &str| {
        if set.contains(name.trim()) { YES } else { NO }
    };
    let mut terms = condition.split("&&").filter(|one| !one.trim().is_empty());
    terms.all(|term| match term.split_once('<') {
        Some((left, right)) => value(left) < value(right),
        None => value(term) > NO,
    })
}

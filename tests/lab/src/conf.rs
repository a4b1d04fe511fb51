//! Configurations in keepalived syntax.

use std::fmt::Write;

/// A configuration file.
#[derive(Clone, Default, Debug)]
pub struct Conf {
    global: Vec<String>,
    text: Vec<String>,
    instances: Vec<Inst>,
}

impl Conf {
    /// A configuration with these instances.
    #[must_use]
    pub fn of(instances: &[Inst]) -> Self {
        Self {
            instances: instances.to_vec(),
            ..Self::default()
        }
    }

    /// A line of `global_defs`.
    #[must_use]
    pub fn global(mut self, line: &str) -> Self {
        self.global.push(line.to_string());
        self
    }

    /// Text at top level, before the instances.
    #[must_use]
    pub fn top(mut self, text: &str) -> Self {
        self.text.push(text.to_string());
        self
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut s = String::from("global_defs {\n    router_id lab\n");
        for l in &self.global {
            let _ = writeln!(s, "    {l}");
        }
        s.push_str("}\n\n");
        for t in &self.text {
            let _ = writeln!(s, "{t}\n");
        }
        for i in &self.instances {
            s.push_str(&i.text());
            s.push('\n');
        }
        s
    }
}

/// A `vrrp_instance` on eth0; by default version 3 with an advert every 100 ms.
#[derive(Clone, Debug)]
pub struct Inst {
    vrid: u8,
    priority: u8,
    state: &'static str,
    version: u8,
    advert: String,
    vips: Vec<String>,
    lines: Vec<String>,
}

impl Inst {
    /// A backup with one address.
    #[must_use]
    pub fn new(vrid: u8, priority: u8, vip: &str) -> Self {
        Self {
            vrid,
            priority,
            state: "BACKUP",
            version: 3,
            advert: "0.1".into(),
            vips: vec![vip.into()],
            lines: Vec::new(),
        }
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Sets `state MASTER`.
    #[must_use]
    pub fn master(mut self) -> Self {
        self.state = "MASTER";
        self
    }

    /// Selects VRRP version 2 with an advert every second.
    #[must_use]
    pub fn v2(mut self) -> Self {
        self.version = 2;
        self.advert = "1".into();
        self
    }

    /// Sets `advert_int`, in seconds.
    #[must_use]
    pub fn advert(mut self, seconds: &str) -> Self {
        self.advert = seconds.into();
        self
    }

    /// Adds an address.
    #[must_use]
    pub fn vip(mut self, vip: &str) -> Self {
        self.vips.push(vip.into());
        self
    }

    /// Adds a line to the instance.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.into());
        self
    }

    /// `authentication` with a plain password.
    #[must_use]
    pub fn pass(self, password: &str) -> Self {
        self.line(&format!(
            "authentication {{\n        auth_type PASS\n        auth_pass {password}\n    }}"
        ))
    }

    /// `authentication` with an authentication header.
    #[must_use]
    pub fn ah(self, password: &str) -> Self {
        self.line(&format!(
            "authentication {{\n        auth_type AH\n        auth_pass {password}\n    }}"
        ))
    }

    /// `auth_hmac` with key 1, the bytes from 0 to 31, and these further lines.
    #[must_use]
    pub fn signed(self, lines: &str) -> Self {
        let digits: String = (0..32).map(|n| format!("{n:02x}")).collect();
        self.line(&format!(
            "auth_hmac {{\n        key 1 hex:{digits}\n        active_key 1\n        {lines}\n    }}"
        ))
    }

    /// Unicast from `own` to `peer`.
    #[must_use]
    pub fn unicast(self, own: &str, peer: &str) -> Self {
        self.line(&format!("unicast_src_ip {own}"))
            .line(&format!("unicast_peer {{\n        {peer}\n    }}"))
    }

    fn text(&self) -> String {
        let mut s = format!("vrrp_instance VI_{} {{\n", self.vrid);
        let _ = write!(
            s,
            "    state {}\n    interface eth0\n    virtual_router_id {}\n    priority {}\n    advert_int {}\n",
            self.state, self.vrid, self.priority, self.advert
        );
        let _ = writeln!(s, "    version {}", self.version);
        for l in &self.lines {
            let _ = writeln!(s, "    {l}");
        }
        if !self.vips.is_empty() {
            let _ = writeln!(s, "    virtual_ipaddress {{");
            for v in &self.vips {
                let _ = writeln!(s, "        {v}");
            }
            let _ = writeln!(s, "    }}");
        }
        s.push_str("}\n");
        s
    }
}

//! Which version this is, and which directives of the configuration act on queries.

use super::text::{Text, Type};
use crate::config::Config;
use crate::front::server_label;

/// A directive that acts for a zone at an address.
pub(super) struct Plugin {
    server: String,
    zone: String,
    name: &'static str,
}

/// Those of a configuration, each once.
pub(super) fn plugins(config: &Config) -> Vec<Plugin> {
    let mut plugins: Vec<Plugin> = Vec::new();
    for block in &config.servers {
        let acting = [
            ("nsid", block.nsid.is_some()),
            ("prometheus", block.prometheus.is_some()),
            ("errors", block.errors.is_some()),
            ("log", !block.log.is_empty()),
            ("chaos", block.chaos.is_some()),
            ("loadbalance", block.load_balance.is_some()),
            ("acl", !block.acl.is_empty()),
            ("minimal", block.minimal),
            ("hosts", block.hosts.is_some()),
            ("kubernetes", block.kubernetes.is_some()),
            ("forward", !block.forward.is_empty()),
        ];
        for listen in &block.listen {
            let server = server_label(listen.address);
            for zone in block.zones.iter().map(ToString::to_string) {
                for (name, _) in acting.iter().filter(|(_, acts)| *acts) {
                    let same = |p: &Plugin| (&p.server, &p.zone, p.name) == (&server, &zone, *name);
                    if !plugins.iter().any(same) {
                        plugins.push(Plugin { server: server.clone(), zone: zone.clone(), name });
                    }
                }
            }
        }
    }
    plugins
}

pub(super) fn write(text: &mut Text, plugins: &[Plugin]) {
    let mut family = text.family(
        "coredns_build_info",
        Type::Gauge,
        "Always 1, labelled by fingerpost's version; revision and goversion are CoreDNS's, and empty.",
    );
    let version = env!("CARGO_PKG_VERSION");
    family.sample(&[("version", version), ("revision", ""), ("goversion", "")], 1);
    let what = "Always 1, for each directive that acts for a zone at an address.";
    let mut family = text.family("coredns_plugin_enabled", Type::Gauge, what);
    for Plugin { server, zone, name } in plugins {
        let labels = [("server", &**server), ("zone", zone), ("view", ""), ("name", name)];
        family.sample(&labels, 1);
    }
}

//! `explain`: what a name answers and why, from the sources of a configuration or from a server that
//! runs; and how a pod's C library comes to ask for it.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use serde::Serialize;

use super::asking::ask_server;
use super::cluster::{Loading, last_known_good_of};
use super::running::wanted;
use crate::answer::Settings;
use crate::config::{Config, Explain, Forward, Kubernetes, Output, Pod, Run, ServerBlock};
use crate::name::Name;
use crate::registry::Registry;
use crate::why::search::{End, Libc, ResolvConf, Step, Verdict, Walk};
use crate::why::{Explanation, Grounds, Status, elsewhere, explain as explained};
use crate::why::{write_text, write_walks};
use crate::zone::{View, Zone};

/// The name exists.
const EXISTS: u8 = 0;
/// Whether it does cannot be told, or not be resolved.
const UNKNOWN: u8 = 1;
/// It does not.
const MISSING: u8 = 3;

/// Explains a name to `out`, and says with which status to exit.
pub fn explain(run: &Run, asked: &Explain, out: impl Write) -> anyhow::Result<u8> {
    let sites = match asked.server {
        Some(_) => Vec::new(),
        None => sites(&run.config, asked.of_snapshot)?,
    };
    let oracle = Oracle { sites, asked };
    let mut out = BufWriter::new(out);
    let code = match search_list(&run.config, asked)? {
        Some((conf, who)) => oracle.walk(&conf, &who, &mut out)?,
        None => oracle.tell(&mut out)?,
    };
    out.flush()?;
    Ok(code)
}

/// A server block, with the objects of its cluster.
struct Site {
    block: ServerBlock,
    cluster: Option<(Arc<Registry>, Arc<View>)>,
}

/// Whoever knows what names answer.
struct Oracle<'o> {
    sites: Vec<Site>,
    asked: &'o Explain,
}

/// All that is said, in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'t> {
    explanation: &'t Explanation,
    resolv_conf: Option<&'t ResolvConf>,
    walks: &'t [Walk],
}

impl Oracle<'_> {
    /// Explains the name as it is written.
    fn tell(&self, out: &mut impl Write) -> anyhow::Result<u8> {
        let mut explanation = self.explain(&self.asked.name)?.ok_or_else(|| self.not_told())?;
        // The alias itself is there, wherever it leads.
        let is_alias = explanation.records.iter().any(|record| record.rtype == "CNAME");
        if is_alias && self.asked.record_type.as_deref() == Some("CNAME") {
            explanation.status = Status::Exists;
        }
        let told = Told { explanation: &explanation, resolv_conf: None, walks: &[] };
        self.write(&told, "", &|_| String::new(), out)?;
        Ok(match explanation.status {
            Status::Missing => MISSING,
            Status::Unknown | Status::Refused | Status::Forwarded => UNKNOWN,
            Status::Exists => EXISTS,
        })
    }

    /// Walks a search list, and explains the name at which that ends.
    fn walk(&self, conf: &ResolvConf, who: &str, out: &mut impl Write) -> anyhow::Result<u8> {
        let mut known: Vec<Explanation> = Vec::new();
        let mut is_told = false;
        let mut walks = Vec::new();
        for libc in Libc::ALL {
            for candidate in libc.candidates(&self.asked.name, conf) {
                if known.iter().all(|found| found.name != candidate) {
                    let told = self.explain(&candidate)?;
                    is_told |= told.is_some();
                    known.push(told.unwrap_or_else(|| not_told_of(&candidate)));
                }
            }
            let of = |name: &str| known.iter().find(|found| found.name == name);
            walks.push(libc.walk(&self.asked.name, conf, |name| {
                of(name).map_or(Verdict::Missing, Verdict::of)
            }));
        }
        if !is_told {
            return Err(self.not_told());
        }
        let last = walks.iter().find(|walk| walk.ends == End::Found).or(walks.first());
        let explanation = last.and_then(|walk| meant(walk, &known));
        let explanation = explanation.context("no name of the search list can be asked for")?;
        let of = |name: &str| known.iter().find(|found| found.name == name);
        let told = Told { explanation, resolv_conf: Some(conf), walks: &walks };
        let by = |name: &str| {
            let by = of(name).and_then(|found| found.by.clone());
            by.unwrap_or_else(|| "nobody".to_owned())
        };
        self.write(&told, who, &by, out)?;
        let ends = |end: End| walks.iter().any(|walk| walk.ends == end);
        Ok(match (ends(End::Found) || ends(End::Unknown), ends(End::Failed)) {
            (true, _) => EXISTS,
            (false, true) => UNKNOWN,
            (false, false) => MISSING,
        })
    }

    fn write(
        &self,
        told: &Told<'_>,
        who: &str,
        by: &dyn Fn(&str) -> String,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        if self.asked.output == Output::Json {
            let mut explanation = told.explanation.clone();
            if let Some(only) = &self.asked.record_type {
                explanation.records.retain(|record| record.is_told_for(only));
            }
            let told = Told { explanation: &explanation, ..*told };
            serde_json::to_writer_pretty(&mut *out, &told)?;
            return Ok(writeln!(out)?);
        }
        if let Some(conf) = told.resolv_conf {
            let search = conf.search.join(" ");
            writeln!(
                out,
                "{} for {who}; search {search}; ndots {}\n",
                self.asked.name, conf.ndots
            )?;
            if conf.too_long_for_musl {
                writeln!(out, "musl reads no such search list: its line is too long\n")?;
            }
            write_walks(out, told.walks, by)?;
        }
        Ok(write_text(out, told.explanation, self.asked.record_type.as_deref())?)
    }

    /// A server says nothing to us.
    fn not_told(&self) -> anyhow::Error {
        let server = self.asked.server.map(|server| server.to_string()).unwrap_or_default();
        anyhow!(
            "--server {server} explains nothing to us; let 'explain' of its 'kubernetes' name our \
             network, and ask fingerpost itself"
        )
    }

    /// Explains a name; nothing where a server does not do so for us.
    fn explain(&self, name: &str) -> anyhow::Result<Option<Explanation>> {
        let name = Name::parse(name)
            .with_context(|| format!("{} cannot be asked for", name.escape_debug()))?;
        if let Some(server) = self.asked.server {
            return ask_server(server, &name);
        }
        Ok(Some(self.explain_here(&name)))
    }

    fn explain_here(&self, name: &Name) -> Explanation {
        let zone = |site: &&Site| {
            let zones = site.block.zones.iter().filter(|zone| name.is_within(zone));
            zones.map(|zone| zone.label_count() + 1).max().unwrap_or(0)
        };
        // The block with the longest zone, the first of several.
        let site = self.sites.iter().rev().filter(|site| zone(site) > 0).max_by_key(zone);
        let Some(site) = site else { return elsewhere(name, &[]) };
        let upstreams: Vec<String> = site
            .block
            .forward
            .iter()
            .filter(|forward| forward.covers(name))
            .flat_map(Forward::addresses)
            .map(|address| address.to_string())
            .collect();
        let Some((registry, view)) = &site.cluster else {
            return elsewhere(name, &upstreams);
        };
        let settings = Settings { upstream: !upstreams.is_empty(), ..Settings::DEFAULT };
        let grounds = Grounds {
            registry,
            view,
            settings: &settings,
            upstreams: &upstreams,
            endpoints_most: usize::MAX,
            now: None,
        };
        explained(&grounds, name)
    }
}

/// Which name of a walk to explain: that at which it stops, or else the one that was meant, most likely.
fn meant<'k>(walk: &Walk, known: &'k [Explanation]) -> Option<&'k Explanation> {
    let of = |step: &Step| known.iter().find(|found| found.name == step.name);
    let stop = walk.steps.last().filter(|step| step.verdict != Verdict::Refused);
    if let (End::Found | End::Failed, Some(stop)) = (walk.ends, stop) {
        return of(stop);
    }
    let mut steps = walk.steps.iter();
    let misspelt = steps.clone().filter_map(of).find(|found| !found.near.is_empty());
    let outside = || steps.clone().find(|step| step.verdict == Verdict::Unknown).and_then(of);
    misspelt.or_else(outside).or_else(|| steps.next().and_then(of))
}

/// Of a name that a server explains to nobody: it may be another block's, without a cluster.
fn not_told_of(name: &str) -> Explanation {
    Explanation {
        name: name.to_owned(),
        status: Status::Forwarded,
        by: Some("not told".to_owned()),
        asks: Some(name.to_owned()),
        ..Explanation::default()
    }
}

/// Reads the clusters of a configuration, which have to be complete but for pods.
fn sites(config: &Config, of_snapshot: bool) -> anyhow::Result<Vec<Site>> {
    let mut clusters = BTreeMap::new();
    for (block, mut kubernetes) in wanted(config) {
        let cluster = match (of_snapshot, kubernetes.snapshot.take()) {
            (true, Some(file)) => last_known_good_of(&file, kubernetes.spec)?,
            // A state on disk is a server's to write.
            _ => listed(&kubernetes)?,
        };
        clusters.insert(block, cluster);
    }
    let site = |block: &ServerBlock| {
        let cluster = block.kubernetes.as_ref().and_then(|_| clusters.get(&block.block));
        Site { block: block.clone(), cluster: cluster.cloned() }
    };
    Ok(config.servers.iter().map(site).collect())
}

/// Reads manifests, or lists an API server's objects, which is not watched any further.
fn listed(kubernetes: &Kubernetes) -> anyhow::Result<(Arc<Registry>, Arc<View>)> {
    let loading = Loading::read(kubernetes, kubernetes.spec.clone())?;
    if let Some(missing) = loading.wait_here()? {
        bail!("nothing can be explained before all is listed: {missing}");
    }
    let view = loading.view();
    Ok((loading.observed(0, kubernetes).registry, view))
}

/// The search list to walk, and whose it is; none where a name is asked for as it is.
fn search_list(config: &Config, asked: &Explain) -> anyhow::Result<Option<(ResolvConf, String)>> {
    let pod = asked.from.as_ref().map(|Pod { namespace, name }| format!("pod {namespace}/{name}"));
    match (&asked.from, &asked.resolv_conf) {
        (None, None) => Ok(None),
        (_, Some(file)) => {
            let who = pod.unwrap_or_else(|| file.display().to_string());
            Ok(Some((read_resolv_conf(file)?, who)))
        }
        (Some(Pod { namespace, .. }), None) => {
            let zones = config.servers.iter().filter_map(|server| server.kubernetes.as_ref());
            let zone = zones.flat_map(|kubernetes| &kubernetes.spec.zones).find(|z| !is_reverse(z));
            let zone = zone.context("no zone of a cluster is configured; name one with --zone")?;
            Ok(Some((ResolvConf::of_pod(namespace, &zone.name), pod.unwrap_or_default())))
        }
    }
}

fn is_reverse(zone: &Zone) -> bool {
    zone.is_reverse()
}

fn read_resolv_conf(file: &Path) -> anyhow::Result<ResolvConf> {
    let shown = file.display();
    let text = std::fs::read(file)
        .with_context(|| format!("--resolv-conf {shown} cannot be read; name a resolv.conf"))?;
    Ok(ResolvConf::read(&String::from_utf8_lossy(&text)))
}

//! Which components of a workload call which, and what is composed for that.

use std::collections::BTreeSet;

use super::link::{Problem, Unmet, compatible, full_name};
use crate::component::{self, Interface, Interfaces};
use crate::runtime::compose::Link;
use crate::runtime::workload::Component;

/// Interfaces through which the host calls a component, without versions.
const ENTRIES: &[&str] =
    &["wasi:http/incoming-handler", "wasi:http/handler", "wasi:keyvalue/watcher", "wasmcloud:messaging/handler"];

/// Components that are instantiated together: the first is called by the host, the others by it and
/// by each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Places in the workload's list of components.
    pub members: Vec<usize>,
    /// Who calls whom; by places in `members`.
    pub links: Vec<Link>,
}

/// What of a workload calls what.
#[derive(Debug)]
pub struct Plan {
    pub units: Vec<Unit>,
    /// What the service calls; the exporters by their places in the workload's list of components.
    pub service: Vec<Link>,
    /// The full names of what each component imports, in the workload's order, and then the service. Empty where
    /// there is only one of them, which nobody needed to look at.
    pub imports: Vec<Vec<String>>,
}

/// Finds the units of a workload. What cannot be linked without a decision of its author is
/// returned with the reason.
pub fn plan(components: &[Component], service: Option<&Component>) -> Result<Plan, Vec<Unmet>> {
    let alone = |index| Unit { members: vec![index], links: Vec::new() };
    if components.len() + usize::from(service.is_some()) < 2 {
        return Ok(Plan {
            units: (0..components.len()).map(alone).collect(),
            service: Vec::new(),
            imports: Vec::new(),
        });
    }
    // What cannot be read has no interfaces here; compiling it says what is wrong with it.
    let faces: Vec<Interfaces> =
        components.iter().map(|component| component::interfaces(&component.bytes).unwrap_or_default()).collect();
    let names: Vec<&str> = components.iter().map(|component| component.name.as_str()).collect();
    let service_face = service.map(|service| component::interfaces(&service.bytes).unwrap_or_default());
    let service = service.zip(service_face.as_ref()).map(|(service, face)| (service.name.as_str(), face));
    plan_of(&names, &faces, service)
}

fn plan_of(names: &[&str], faces: &[Interfaces], service: Option<(&str, &Interfaces)>) -> Result<Plan, Vec<Unmet>> {
    let (mut links, mut unmet) = (Vec::new(), Vec::new());
    // The service stands behind the components: it calls, and nobody calls it.
    let members = names.iter().copied().zip(faces).chain(service);
    for (importer, (name, face)) in members.enumerate() {
        for import in &face.imports {
            match exporter(faces, importer, import) {
                Exporter::Nobody => {}
                Exporter::One(exporter, export) => links.push(Link {
                    importer,
                    import: full_name(&import.name, import.version.as_deref()),
                    exporter,
                    export: full_name(&export.name, export.version.as_deref()),
                }),
                Exporter::Several(several) => unmet.push(Unmet {
                    component: name.to_string(),
                    import: full_name(&import.name, import.version.as_deref()),
                    problem: Problem::Ambiguous {
                        names: several.into_iter().map(|index| names[index].to_string()).collect(),
                    },
                }),
            }
        }
    }
    let imports = faces.iter().chain(service.map(|(_, face)| face)).map(full_names).collect();
    let (service, links): (Vec<Link>, Vec<Link>) = links.into_iter().partition(|link| link.importer == names.len());
    if let Some((cycle, link)) = cycle(&links, names.len()) {
        unmet.push(Unmet {
            component: names[link.importer].to_string(),
            import: link.import,
            problem: Problem::Cycle { names: cycle.into_iter().map(|index| names[index].to_string()).collect() },
        });
    }
    if !unmet.is_empty() {
        return Err(unmet);
    }
    let is_called = |index: usize| {
        let callee = links.iter().any(|link| link.exporter == index);
        let entry = faces[index].exports.iter().any(|export| ENTRIES.contains(&export.name.as_str()));
        // A service's calls go through the host.
        entry || !callee || service.iter().any(|link| link.exporter == index)
    };
    let units = (0..names.len()).filter(|index| is_called(*index)).map(|root| unit(root, &links)).collect();
    Ok(Plan { units, service, imports })
}

fn full_names(face: &Interfaces) -> Vec<String> {
    face.imports.iter().map(Interface::full_name).collect()
}

enum Exporter<'a> {
    Nobody,
    One(usize, &'a Interface),
    Several(Vec<usize>),
}

/// Who exports what a component imports. The very version goes before a compatible one.
fn exporter<'a>(faces: &'a [Interfaces], importer: usize, import: &Interface) -> Exporter<'a> {
    let fitting: Vec<(usize, &Interface)> = faces
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != importer)
        .flat_map(|(index, face)| face.exports.iter().map(move |export| (index, export)))
        .filter(|(_, export)| {
            export.name == import.name && compatible(export.version.as_deref(), import.version.as_deref())
        })
        .collect();
    let same: Vec<_> = fitting.iter().filter(|(_, export)| export.version == import.version).copied().collect();
    match (&same[..], &fitting[..]) {
        ([(index, export)], _) | ([], [(index, export)]) => Exporter::One(*index, export),
        ([], []) => Exporter::Nobody,
        // Types alone are the same wherever they come from; nobody has to provide them.
        _ if import.functions.is_empty() => Exporter::Nobody,
        ([], several) | (several, _) => {
            let several: BTreeSet<usize> = several.iter().map(|(index, _)| *index).collect();
            Exporter::Several(several.into_iter().collect())
        }
    }
}

/// A way that ends where it begins, and one of its links.
fn cycle(links: &[Link], count: usize) -> Option<(Vec<usize>, Link)> {
    fn visit(at: usize, links: &[Link], way: &mut Vec<usize>, done: &mut [bool]) -> Option<(Vec<usize>, Link)> {
        way.push(at);
        for link in links.iter().filter(|link| link.importer == at) {
            if let Some(begin) = way.iter().position(|index| *index == link.exporter) {
                let mut cycle = way[begin..].to_vec();
                cycle.push(link.exporter);
                return Some((cycle, link.clone()));
            }
            if !done[link.exporter]
                && let Some(found) = visit(link.exporter, links, way, done)
            {
                return Some(found);
            }
        }
        way.pop();
        done[at] = true;
        None
    }
    let mut done = vec![false; count];
    (0..count).find_map(|start| visit(start, links, &mut Vec::new(), &mut done))
}

/// A component with everything that it calls.
fn unit(root: usize, links: &[Link]) -> Unit {
    let mut members = vec![root];
    let mut next = 0;
    while let Some(at) = members.get(next).copied() {
        for link in links.iter().filter(|link| link.importer == at) {
            if !members.contains(&link.exporter) {
                members.push(link.exporter);
            }
        }
        next += 1;
    }
    let place = |index: usize| members.iter().position(|member| *member == index);
    let local =
        |link: &Link| Some(Link { importer: place(link.importer)?, exporter: place(link.exporter)?, ..link.clone() });
    let links = links.iter().filter_map(local).collect();
    Unit { members, links }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(full: &str) -> Interface {
        let (name, version) = full.split_once('@').map_or((full, None), |(name, version)| (name, Some(version)));
        Interface {
            name: name.into(),
            version: version.map(str::to_string),
            functions: vec![("f".into(), "func()".into())],
            ..Interface::default()
        }
    }

    fn face(imports: &[&str], exports: &[&str]) -> Interfaces {
        let all = |names: &[&str]| names.iter().map(|name| interface(name)).collect();
        Interfaces { imports: all(imports), exports: all(exports) }
    }

    fn members(units: Vec<Unit>) -> Vec<Vec<usize>> {
        units.into_iter().map(|unit| unit.members).collect()
    }

    fn plan_of(names: &[&str], faces: &[Interfaces]) -> Result<Vec<Unit>, Vec<Unmet>> {
        super::plan_of(names, faces, None).map(|plan| plan.units)
    }

    #[test]
    fn what_a_service_calls_is_a_unit_of_its_own_and_the_service_is_none() {
        let service = face(&["a:b/one@1.0.0", "wasi:io/poll@0.2.0"], &["wasi:cli/run@0.2.0", "a:b/two@1.0.0"]);
        let faces = [
            face(&["a:b/one@1.0.0"], &["wasi:http/incoming-handler@0.2.0"]),
            face(&["a:b/two@1.0.0"], &["a:b/one@1.2.0"]),
        ];
        let plan = super::plan_of(&["web", "one"], &faces, Some(("service", &service))).unwrap();
        assert_eq!(members(plan.units), [vec![0, 1], vec![1]], "nothing of the service is linked to `one`");
        let link = Link { importer: 2, import: "a:b/one@1.0.0".into(), exporter: 1, export: "a:b/one@1.2.0".into() };
        assert_eq!(plan.service, [link]);
        let twice = [face(&[], &["a:b/one@1.0.0"]), face(&[], &["a:b/one@1.0.0"])];
        let unmet = super::plan_of(&["one", "two"], &twice, Some(("service", &service))).unwrap_err();
        assert_eq!((unmet[0].component.as_str(), unmet.len()), ("service", 1));
    }

    #[test]
    fn components_that_call_nobody_stay_alone() {
        let faces = [face(&["wasi:io/poll@0.2.0"], &["wasi:http/incoming-handler@0.2.0"]), face(&[], &["a:b/c@1.0.0"])];
        assert_eq!(members(plan_of(&["web", "b"], &faces).unwrap()), [vec![0], vec![1]]);
    }

    #[test]
    fn a_unit_has_everything_that_its_root_reaches() {
        let faces = [
            face(&["a:b/one@1.0.0"], &["wasi:http/incoming-handler@0.2.0"]),
            face(&["a:b/two@1.0.0"], &["a:b/one@1.2.0"]),
            face(&[], &["a:b/two@1.0.0"]),
            face(&["a:b/two@1.0.0"], &["wasmcloud:messaging/handler@0.2.0"]),
        ];
        let units = plan_of(&["web", "one", "two", "worker"], &faces).unwrap();
        assert_eq!(members(units.clone()), [vec![0, 1, 2], vec![3, 2]]);
        let link = Link { importer: 0, import: "a:b/one@1.0.0".into(), exporter: 1, export: "a:b/one@1.2.0".into() };
        assert_eq!(units[0].links[0], link);
        assert_eq!(units[1].links, [Link { importer: 0, exporter: 1, ..units[0].links[1].clone() }]);
    }

    #[test]
    fn a_component_in_between_answers_requests_and_passes_them_on() {
        let handler = "wasi:http/incoming-handler@0.2.0";
        let units = plan_of(&["front", "back"], &[face(&[handler], &[handler]), face(&[], &[handler])]).unwrap();
        assert_eq!(members(units), [vec![0, 1], vec![1]]);
    }

    #[test]
    fn the_very_version_goes_before_a_compatible_one_and_two_alike_are_ambiguous() {
        let web = face(&["a:b/c@1.1.0"], &[]);
        let units =
            plan_of(&["web", "old", "new"], &[web.clone(), face(&[], &["a:b/c@1.0.0"]), face(&[], &["a:b/c@1.1.0"])]);
        assert_eq!(units.unwrap()[0].members, [0, 2]);
        let twice = [web, face(&[], &["a:b/c@1.1.0"]), face(&[], &["a:b/c@1.1.0"])];
        let unmet = plan_of(&["web", "one", "two"], &twice).unwrap_err();
        assert_eq!(unmet[0].problem, Problem::Ambiguous { names: vec!["one".into(), "two".into()] });
    }

    #[test]
    fn a_cycle_is_told_with_its_way() {
        let faces = [face(&["a:b/two"], &["a:b/one"]), face(&["a:b/one"], &["a:b/two"])];
        let unmet = plan_of(&["one", "two"], &faces).unwrap_err();
        assert_eq!(unmet[0].problem, Problem::Cycle { names: vec!["one".into(), "two".into(), "one".into()] });
    }
}

//! The running copies of each service: where they live, and the resource that marks all their telemetry.

use super::chance::Chance;
use super::shape::services::SERVICES;
use super::shape::vocabulary::Service;
use super::values::{integer, text};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;

const CLUSTER: &str = "shop-prod-1";
const REGION: &str = "eu-central-1";
const ZONES: u64 = 3;
const NODES_PER_ZONE: u64 = 2;

/// Position of an instance in the fleet.
pub(crate) type InstanceIndex = usize;

/// Which library of an instance made a record; decides its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Application,
    Logger,
    Http,
    Grpc,
    Database,
    Messaging,
    GenAi,
    RuntimeMetrics,
}

pub(crate) struct Instance {
    pub(crate) service: &'static Service,
    pub(crate) resource: Resource,
}

pub(crate) struct Fleet {
    instances: Vec<Instance>,
}

impl Fleet {
    pub(crate) fn start(chance: &mut Chance) -> Self {
        let instances = SERVICES
            .iter()
            .flat_map(|service| (0..service.replicas).map(move |_| service))
            .map(|service| Instance { service, resource: resource(service, chance) })
            .collect();
        Self { instances }
    }

    pub(crate) fn instances(&self) -> &[Instance] {
        &self.instances
    }

    pub(crate) fn get(&self, index: InstanceIndex) -> &Instance {
        &self.instances[index]
    }

    /// Load balancing: any copy of the service.
    pub(crate) fn choose(&self, service: &Service, chance: &mut Chance) -> InstanceIndex {
        let first = self.instances.iter().position(|instance| std::ptr::eq(instance.service, service));
        let first = first.expect("every service is in SERVICES, and each has a replica");
        let copy = chance.between(0, i64::from(service.replicas) - 1);
        first + usize::try_from(copy).expect("not negative")
    }
}

impl Service {
    pub(crate) fn scope(&self, tool: Tool) -> InstrumentationScope {
        let toolkit = self.language.toolkit();
        let (name, version) = match tool {
            Tool::Application => (self.name, self.version),
            Tool::Logger => (self.logger, ""),
            Tool::Http => toolkit.http,
            Tool::Grpc => toolkit.grpc,
            Tool::Database => toolkit.database,
            Tool::Messaging => toolkit.messaging,
            Tool::GenAi => ("opentelemetry.instrumentation.openai_v2", "2.2b0"),
            Tool::RuntimeMetrics => toolkit.runtime_metrics,
        };
        let attributes = if tool == Tool::Application { vec![text("shop.team", self.team)] } else { Vec::new() };
        InstrumentationScope {
            name: name.to_owned(),
            version: version.to_owned(),
            attributes,
            dropped_attributes_count: 0,
        }
    }
}

fn resource(service: &Service, chance: &mut Chance) -> Resource {
    let toolkit = service.language.toolkit();
    let bits = chance.bits();
    let zone = bits % ZONES;
    let node = format!("ip-10-{zone}-{}-17.{REGION}.compute.internal", (bits >> 8) % NODES_PER_ZONE);
    let environment =
        if toolkit.old_environment_name { "deployment.environment" } else { "deployment.environment.name" };
    let replica_set = format!("{}-{:010x}", service.name, chance.bits() >> 24);
    let pod = format!("{replica_set}-{:05x}", chance.bits() >> 44);

    let mut attributes = vec![
        text("service.name", service.name),
        text("service.namespace", "shop"),
        text("service.version", service.version),
        text("service.instance.id", uuid(chance)),
        text(environment, "production"),
        text("host.name", node.as_str()),
        text("host.arch", "amd64"),
        text("os.type", "linux"),
        text("cloud.provider", "aws"),
        text("cloud.platform", "aws_eks"),
        text("cloud.region", REGION),
        text("cloud.availability_zone", format!("{REGION}{}", ["a", "b", "c"][zone as usize])),
        text("k8s.cluster.name", CLUSTER),
        text("k8s.namespace.name", "shop"),
        text("k8s.node.name", node),
        text("k8s.deployment.name", service.name),
        text("k8s.replicaset.name", replica_set),
        text("k8s.pod.name", pod),
        text("k8s.pod.uid", uuid(chance)),
        text("k8s.container.name", service.name),
        text("container.image.name", format!("registry.shop.example/{}", service.name)),
        integer("process.pid", chance.between(1, 64)),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.language", toolkit.language),
        text("telemetry.sdk.version", toolkit.sdk_version),
    ];
    if let Some((name, version)) = toolkit.runtime {
        attributes.push(text("process.runtime.name", name));
        attributes.push(text("process.runtime.version", version));
    }
    Resource { attributes, ..Resource::default() }
}

/// A version 4 UUID.
fn uuid(chance: &mut Chance) -> String {
    let (high, low) = (chance.bits(), chance.bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0x0fff,
        (low >> 48) & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

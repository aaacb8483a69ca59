//! x
#[test]
fn feasibility() {
    use egressctl::cloud::aliyun::{Aliyun, AliyunConfig, Env, Tuning};
    use egressctl::core::model::{InstanceId, MacAddr, Secret};
    use egressctl::lab::emulator::{self, AccessKey, Emulator};
    use egressctl::lab::fabric::{Fabric, Port};
    use egressctl::lab::spec::{LabSpec, Sshd};
    use egressctl::ports::{Clock, Cloud, InstanceGoal, ViewScope};
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::Duration;
    struct Nothing;
    #[async_trait::async_trait]
    impl Fabric for Nothing {
        async fn plug(&self, _: &InstanceId, _: &Port) -> Result<(), String> {
            Ok(())
        }
        async fn unplug(&self, _: &InstanceId, _: MacAddr) -> Result<(), String> {
            Ok(())
        }
        async fn bind(&self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), String> {
            Ok(())
        }
        async fn unbind(&self, _: Ipv4Addr) -> Result<(), String> {
            Ok(())
        }
    }
    struct Sim(tokio::time::Instant);
    impl Clock for Sim {
        fn now_ms(&self) -> i64 {
            1_795_363_200_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap()
        }
    }
    let real = std::time::Instant::now();
    for round in 0..20u32 {
        let rt =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        rt.block_on(async {
            let began = tokio::time::Instant::now();
            let clock: Arc<dyn Clock> = Arc::new(Sim(began));
            let spec = LabSpec::new(7, Sshd::Builtin, 12, None).unwrap();
            let key = AccessKey { id: "k".into(), secret: Secret::new("s".into()) };
            let emu = Arc::new(
                Emulator::new(&spec, Arc::new(Nothing), key, emulator::Tuning::default())
                    .with_clock(Arc::clone(&clock)),
            );
            let a = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let b = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (ea, eb) = (
                format!("http://{}", a.local_addr().unwrap()),
                format!("http://{}", b.local_addr().unwrap()),
            );
            let srv = tokio::spawn(emulator::serve(a, b, Arc::clone(&emu)));
            let env =
                Env::of(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "k"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s")]);
            let cfg = AliyunConfig {
                region: "cn-lab-1".parse().unwrap(),
                ecs_endpoint: Some(ea),
                vpc_endpoint: Some(eb),
                credentials: egressctl::core::inventory::CredentialSource::Environment,
                metadata_base: None,
                tuning: Tuning::default(),
            };
            let cloud = Aliyun::new(&cfg, &env, clock).unwrap();
            let ids: Vec<InstanceId> = spec.hosts.iter().map(|h| h.instance.clone()).collect();
            let scope = ViewScope { instances: ids.clone(), owner_tag: "x".into(), ..ViewScope::default() };
            let view = cloud.view(&scope).await.unwrap();
            assert_eq!(view.instances.len(), 12);
            for id in &ids[1..3] {
                cloud.convert_public_ip(id).await.unwrap();
                cloud
                    .await_instance(id, &InstanceGoal::PublicIpConverted, Duration::from_secs(60))
                    .await
                    .unwrap();
            }
            eprintln!("{round} virtual {:?} calls {:?}", began.elapsed(), cloud.calls());
            srv.abort();
        });
    }
    eprintln!("real {:?}", real.elapsed());
}

//! Where a product of a region answers, on the internet and inside VPCs.
//!
//! Must never guess when the inventory names an endpoint.

mod table;

use reqwest::Url;

use super::env::Env;
use crate::core::inventory::Network;

/// The products that are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    /// Elastic Compute Service.
    Ecs,
    /// Virtual Private Cloud, which owns EIPs, vSwitches and NAT gateways.
    Vpc,
    /// Security Token Service, which knows who calls and gives sessions of roles.
    Sts,
}

impl Product {
    /// The API version spoken.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Ecs => "2014-05-26",
            Self::Vpc => "2016-04-28",
            Self::Sts => "2015-04-01",
        }
    }

    /// Its name, also the beginning of its hosts' names.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Vpc => "vpc",
            Self::Sts => "sts",
        }
    }
}

/// Which of a region's hosts are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Those on the internet.
    Public,
    /// Those that answer inside VPCs.
    Vpc,
}

impl Side {
    /// What the inventory says, and the variable of the vendor's SDKs where it leaves it open.
    pub(super) fn of(network: Network, env: &Env) -> Self {
        match network {
            Network::Vpc => Self::Vpc,
            Network::Auto if env.is_true("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED") => Self::Vpc,
            Network::Auto | Network::Public => Self::Public,
        }
    }
}

/// An endpoint, ready to be called and to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// Name or address, with the port if it is not the scheme's own: exactly what `Host` says.
    pub(super) host: String,
}

impl Endpoint {
    /// As it is written in an inventory.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    /// Whether this is one of the vendor's names for a product inside VPCs.
    pub(super) fn is_internal(&self) -> bool {
        self.host.split('.').next().is_some_and(|name| name.ends_with("-vpc"))
    }
}

/// The endpoint of a product: the given one, else the region's.
///
/// # Errors
/// The given text is not `http(s)://host[:port]`.
pub(super) fn endpoint(
    product: Product,
    region: &str,
    side: Side,
    given: Option<&str>,
) -> Result<Endpoint, String> {
    given.map_or_else(|| Ok(regional(product, region, side)), parse)
}

/// The STS that sessions are asked of: the given one, else a region's if one is named or the network is a VPC, else the
/// global one, as the vendor's SDKs do it.
///
/// # Errors
/// As [`endpoint`].
pub(super) fn sts(
    named: Option<&str>,
    own: &str,
    side: Side,
    given: Option<&str>,
) -> Result<Endpoint, String> {
    match (given, named, side) {
        (None, None, Side::Public) => Ok(Endpoint { scheme: "https", host: "sts.aliyuncs.com".to_owned() }),
        _ => endpoint(Product::Sts, named.unwrap_or(own), side, given),
    }
}

fn parse(given: &str) -> Result<Endpoint, String> {
    let error = || format!("{given:?} is not an endpoint such as https://ecs.cn-beijing.aliyuncs.com");
    let url = Url::parse(given).map_err(|_| error())?;
    let scheme = match url.scheme() {
        "http" => "http",
        "https" => "https",
        _ => return Err(error()),
    };
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let name = url.host_str().filter(|_| bare).ok_or_else(error)?;
    Ok(Endpoint { scheme, host: url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")) })
}

/// The rule, and the table of exceptions to it. Inside VPCs the rule wins wherever such a host is known or nothing speaks
/// against it (decision 13); a region with an exceptional public host and no known other one keeps the public one.
fn regional(product: Product, region: &str, side: Side) -> Endpoint {
    let (name, exception) = (product.name(), table::exception(product, region));
    let host = match (side, exception) {
        (Side::Public, Some(host)) => format!("{host}.aliyuncs.com"),
        (Side::Vpc, Some(host)) if !table::internal_by_rule(product, region) => {
            format!("{host}.aliyuncs.com")
        }
        (Side::Public, None) => format!("{name}.{region}.aliyuncs.com"),
        (Side::Vpc, _) => format!("{name}-vpc.{region}.aliyuncs.com"),
    };
    Endpoint { scheme: "https", host }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn host(product: Product, region: &str, side: Side) -> String {
        endpoint(product, region, side, None).unwrap().url().strip_prefix("https://").unwrap().to_owned()
    }

    /// The vendor's lists of one product: regions with their hosts.
    fn list(product: Product, name: &str, least: usize) -> Vec<(String, String)> {
        let file: Value =
            serde_json::from_str(include_str!("../../../../tests/vectors/endpoints.json")).unwrap();
        let list = file[product.name()][name].as_object().unwrap();
        assert!(list.len() >= least, "{product:?} {name}: {}", list.len());
        list.iter().map(|(region, host)| (region.clone(), host.as_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn every_host_of_the_vendors_tables_is_known() {
        for (product, exceptions, internal) in
            [(Product::Ecs, 35, 40), (Product::Vpc, 36, 36), (Product::Sts, 32, 31)]
        {
            for (region, wanted) in list(product, "endpointMap", exceptions) {
                assert_eq!(host(product, &region, Side::Public), wanted, "{product:?} {region}");
            }
            for (region, wanted) in list(product, "cliVpcInternal", internal) {
                assert_eq!(host(product, &region, Side::Vpc), wanted, "{product:?} {region}");
            }
        }
    }

    #[test]
    fn no_host_inside_vpcs_is_made_up_for_an_exceptional_region() {
        for product in [Product::Ecs, Product::Vpc, Product::Sts] {
            let internal: BTreeSet<String> =
                list(product, "cliVpcInternal", 1).into_iter().map(|(region, _)| region).collect();
            for (region, public) in list(product, "endpointMap", 1) {
                let inside = host(product, &region, Side::Vpc);
                assert_eq!(inside == public, !internal.contains(&region), "{product:?} {region}: {inside}");
            }
        }
    }

    #[test]
    fn older_names_of_the_command_line_differ_where_it_is_known() {
        // The SDKs, which are newer, have regional names for these two.
        let older: Vec<String> = list(Product::Ecs, "cliRegional", 18)
            .into_iter()
            .filter(|(region, wanted)| host(Product::Ecs, region, Side::Public) != *wanted)
            .map(|(region, _)| region)
            .collect();
        assert_eq!(older, ["us-east-1", "us-west-1"]);
        assert_eq!(host(Product::Ecs, "us-west-1", Side::Public), "ecs.us-west-1.aliyuncs.com");
    }

    #[test]
    fn a_given_endpoint_wins_and_keeps_its_port() {
        for side in [Side::Public, Side::Vpc] {
            let given = |text| endpoint(Product::Ecs, "cn-beijing", side, Some(text)).map(|e| e.url());
            assert_eq!(given("http://127.0.0.1:18080").unwrap(), "http://127.0.0.1:18080");
            assert_eq!(given("http://[::1]:80/").unwrap(), "http://[::1]");
            assert_eq!(given("https://api.example:443").unwrap(), "https://api.example");
            for bad in ["127.0.0.1:1", "ftp://a", "http://a/b", "http://a/?q", "http://u:p@a", ""] {
                assert!(given(bad).is_err(), "{bad:?}");
            }
        }
    }

    #[test]
    fn sessions_are_asked_of_the_global_sts_unless_something_is_named() {
        let at = |named, side, given| sts(named, "cn-beijing", side, given).unwrap().url();
        assert_eq!(at(None, Side::Public, None), "https://sts.aliyuncs.com");
        assert_eq!(at(Some("cn-shanghai"), Side::Public, None), "https://sts.cn-shanghai.aliyuncs.com");
        assert_eq!(at(Some("ap-south-1"), Side::Vpc, None), "https://sts.aliyuncs.com");
        assert_eq!(at(None, Side::Vpc, None), "https://sts-vpc.cn-beijing.aliyuncs.com");
        assert_eq!(at(Some("cn-shanghai"), Side::Vpc, Some("http://h:1")), "http://h:1");
    }

    #[test]
    fn the_side_is_the_inventorys_and_else_the_variables() {
        let (on, off) = (Env::of(&[("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true")]), Env::of(&[]));
        for (network, with, without) in [
            (Network::Auto, Side::Vpc, Side::Public),
            (Network::Vpc, Side::Vpc, Side::Vpc),
            (Network::Public, Side::Public, Side::Public),
        ] {
            assert_eq!((Side::of(network, &on), Side::of(network, &off)), (with, without), "{network:?}");
        }
    }

    #[test]
    fn hosts_inside_vpcs_are_told_by_their_names() {
        let inside = |product, region| regional(product, region, Side::Vpc).is_internal();
        assert!(inside(Product::Vpc, "cn-hangzhou") && !inside(Product::Vpc, "cn-north-2-gov-1"));
        assert!(!regional(Product::Vpc, "cn-beijing", Side::Public).is_internal());
    }
}

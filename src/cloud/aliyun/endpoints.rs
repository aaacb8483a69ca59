//! Where a product of a region answers.
//!
//! Must never guess when the inventory names an endpoint.

use reqwest::Url;

use crate::core::model::RegionId;

/// The two products the procedure needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    /// Elastic Compute Service.
    Ecs,
    /// Virtual Private Cloud, which owns EIPs, vSwitches and NAT gateways.
    Vpc,
}

impl Product {
    /// The API version spoken.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Ecs => "2014-05-26",
            Self::Vpc => "2016-04-28",
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

/// The endpoint of a product: the given one, else the region's.
///
/// # Errors
/// The given text is not `http(s)://host[:port]`.
pub(super) fn endpoint(product: Product, region: &RegionId, given: Option<&str>) -> Result<Endpoint, String> {
    given.map_or_else(|| Ok(Endpoint { scheme: "https", host: regional(product, region.as_str()) }), parse)
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

/// The rule, and the vendor's table of exceptions to it (the current SDKs', ecs 7.11.8 and vpc 7.2.2).
fn regional(product: Product, region: &str) -> String {
    let host = match product {
        Product::Ecs => ecs_exception(region),
        Product::Vpc => vpc_exception(region),
    };
    let rule = || match product {
        Product::Ecs => format!("ecs.{region}.aliyuncs.com"),
        Product::Vpc => format!("vpc.{region}.aliyuncs.com"),
    };
    host.map_or_else(rule, |host| format!("{host}.aliyuncs.com"))
}

fn ecs_exception(region: &str) -> Option<&'static str> {
    Some(match region {
        "cn-beijing-nu16-b01"
        | "cn-fujian"
        | "cn-haidian-cm12-c01"
        | "cn-hangzhou"
        | "cn-hangzhou-bj-b01"
        | "cn-hangzhou-internal-prod-1"
        | "cn-hangzhou-internal-test-1"
        | "cn-hangzhou-internal-test-2"
        | "cn-hangzhou-internal-test-3"
        | "cn-hangzhou-test-306"
        | "cn-shanghai-et15-b01"
        | "cn-shanghai-et2-b01"
        | "cn-shanghai-finance-1"
        | "cn-shanghai-internal-test-1"
        | "cn-shenzhen-finance-1"
        | "cn-shenzhen-st4-d01"
        | "cn-shenzhen-su18-b01"
        | "cn-zhangbei-na61-b01" => "ecs-cn-hangzhou",
        "ap-northeast-2-pop"
        | "cn-beijing-finance-pop"
        | "cn-beijing-gov-1"
        | "cn-hangzhou-finance"
        | "cn-hongkong-finance-pop"
        | "cn-north-2-gov-1"
        | "cn-shanghai-inner"
        | "cn-shenzhen-inner"
        | "cn-wuhan"
        | "cn-yushanfang"
        | "cn-zhangbei"
        | "rus-west-1-pop" => "ecs",
        "cn-edge-1" | "cn-huhehaote-nebula-1" | "cn-zhengzhou-nebula-1" => "ecs.cn-qingdao-nebula",
        "cn-zhangjiakou-na62-a01" => "ecs.cn-zhangjiakou",
        "eu-west-1-oxs" => "ecs.cn-shenzhen-cloudstone",
        _ => return None,
    })
}

fn vpc_exception(region: &str) -> Option<&'static str> {
    Some(match region {
        "ap-northeast-2-pop"
        | "cn-beijing-finance-pop"
        | "cn-beijing-gov-1"
        | "cn-beijing-nu16-b01"
        | "cn-fujian"
        | "cn-haidian-cm12-c01"
        | "cn-hangzhou"
        | "cn-hangzhou-bj-b01"
        | "cn-hangzhou-finance"
        | "cn-hangzhou-internal-prod-1"
        | "cn-hongkong-finance-pop"
        | "cn-north-2-gov-1"
        | "cn-shanghai-et2-b01"
        | "cn-shanghai-finance-1"
        | "cn-shanghai-inner"
        | "cn-shenzhen-finance-1"
        | "cn-shenzhen-inner"
        | "cn-shenzhen-st4-d01"
        | "cn-shenzhen-su18-b01"
        | "cn-wuhan"
        | "cn-yushanfang"
        | "cn-zhangbei"
        | "cn-zhangbei-na61-b01"
        | "rus-west-1-pop" => "vpc",
        "cn-edge-1" | "cn-huhehaote-nebula-1" | "cn-qingdao-nebula" | "cn-zhengzhou-nebula-1" => {
            "vpc-nebula.cn-qingdao-nebula"
        }
        "cn-hangzhou-internal-test-1"
        | "cn-hangzhou-internal-test-3"
        | "cn-hangzhou-test-306"
        | "cn-shanghai-et15-b01"
        | "cn-shanghai-internal-test-1" => "vpc-pre.cn-hangzhou",
        "cn-hangzhou-internal-test-2" => "vpc-inner-pre.cn-hangzhou",
        "cn-zhangjiakou-na62-a01" => "vpc.cn-zhangjiakou",
        "eu-west-1-oxs" => "vpc-nebula.cn-shenzhen-cloudstone",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(product: Product, region: &str, given: Option<&str>) -> Result<String, String> {
        endpoint(product, &region.parse().unwrap(), given).map(|e| format!("{}://{}", e.scheme, e.host))
    }

    #[test]
    fn the_rule_and_its_exceptions() {
        let public = |product, region| of(product, region, None).unwrap();
        assert_eq!(public(Product::Ecs, "cn-beijing"), "https://ecs.cn-beijing.aliyuncs.com");
        assert_eq!(public(Product::Vpc, "cn-beijing"), "https://vpc.cn-beijing.aliyuncs.com");
        assert_eq!(public(Product::Ecs, "cn-hangzhou"), "https://ecs-cn-hangzhou.aliyuncs.com");
        assert_eq!(public(Product::Vpc, "cn-hangzhou"), "https://vpc.aliyuncs.com");
        assert_eq!(public(Product::Ecs, "cn-edge-1"), "https://ecs.cn-qingdao-nebula.aliyuncs.com");
        assert_eq!(public(Product::Vpc, "cn-north-2-gov-1"), "https://vpc.aliyuncs.com");
        assert_eq!(public(Product::Ecs, "us-west-1"), "https://ecs.us-west-1.aliyuncs.com");
    }

    #[test]
    fn a_given_endpoint_wins_and_keeps_its_port() {
        let given = |text| of(Product::Ecs, "cn-beijing", Some(text));
        assert_eq!(given("http://127.0.0.1:18080").unwrap(), "http://127.0.0.1:18080");
        assert_eq!(given("http://[::1]:80/").unwrap(), "http://[::1]");
        assert_eq!(given("https://api.example:443").unwrap(), "https://api.example");
        for bad in ["127.0.0.1:1", "ftp://a", "http://a/b", "http://a/?q", "http://u:p@a", ""] {
            assert!(given(bad).is_err(), "{bad:?}");
        }
    }
}

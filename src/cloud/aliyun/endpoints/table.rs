//! The vendor's table of exceptions to the rule for endpoints (the current SDKs': ecs 7.11.8, vpc 7.2.2, sts 1.2.0), and what is
//! known of hosts inside VPCs for them (the vendor's command line's metadata).
//!
//! Must never hold what follows from the rule.

use super::Product;

/// The public host of a product in a region that does not follow the rule, without `.aliyuncs.com`.
pub(super) fn exception(product: Product, region: &str) -> Option<&'static str> {
    match product {
        Product::Ecs => ecs(region),
        Product::Vpc => vpc(region),
        Product::Sts => sts(region),
    }
}

/// Whether a region with an exceptional public host is known to have a host inside VPCs, which then follows the rule.
pub(super) fn internal_by_rule(product: Product, region: &str) -> bool {
    match product {
        Product::Ecs => matches!(
            region,
            "cn-hangzhou" | "cn-north-2-gov-1" | "cn-shanghai-finance-1" | "cn-shenzhen-finance-1"
        ),
        Product::Vpc => matches!(region, "cn-hangzhou" | "cn-shanghai-finance-1" | "cn-shenzhen-finance-1"),
        Product::Sts => false,
    }
}

/// The exceptions for compute.
fn ecs(region: &str) -> Option<&'static str> {
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

/// The exceptions for networks.
fn vpc(region: &str) -> Option<&'static str> {
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

/// The exceptions for identities: regions without an STS of their own use the global one.
fn sts(region: &str) -> Option<&'static str> {
    Some(match region {
        "ap-northeast-2-pop"
        | "ap-south-1"
        | "ap-southeast-2"
        | "cn-beijing-finance-pop"
        | "cn-beijing-gov-1"
        | "cn-beijing-nu16-b01"
        | "cn-edge-1"
        | "cn-fujian"
        | "cn-haidian-cm12-c01"
        | "cn-hangzhou-bj-b01"
        | "cn-hangzhou-internal-prod-1"
        | "cn-hangzhou-internal-test-1"
        | "cn-hangzhou-internal-test-2"
        | "cn-hangzhou-internal-test-3"
        | "cn-hangzhou-test-306"
        | "cn-hongkong-finance-pop"
        | "cn-huhehaote-nebula-1"
        | "cn-shanghai-et15-b01"
        | "cn-shanghai-et2-b01"
        | "cn-shanghai-inner"
        | "cn-shanghai-internal-test-1"
        | "cn-shenzhen-inner"
        | "cn-shenzhen-st4-d01"
        | "cn-shenzhen-su18-b01"
        | "cn-wuhan"
        | "cn-yushanfang"
        | "cn-zhangbei"
        | "cn-zhangbei-na61-b01"
        | "cn-zhangjiakou-na62-a01"
        | "cn-zhengzhou-nebula-1"
        | "eu-west-1-oxs"
        | "rus-west-1-pop" => "sts",
        _ => return None,
    })
}

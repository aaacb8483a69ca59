-- A journal of layout 1 as it was first released. It must replay for ever; do not edit it.
PRAGMA application_id = 1701278323;
PRAGMA user_version = 1;
CREATE TABLE run (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        id         TEXT NOT NULL UNIQUE,
        verb       TEXT NOT NULL,
        of_run     TEXT,
        started_ms INTEGER NOT NULL,
        inventory  TEXT NOT NULL
    ) STRICT;
CREATE TABLE record (
        seq    INTEGER PRIMARY KEY AUTOINCREMENT,
        run    TEXT NOT NULL REFERENCES run (id),
        host   TEXT NOT NULL,
        at_ms  INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
CREATE INDEX record_of_run ON record (run, seq);
INSERT INTO run VALUES (1, '20261122T161500Z-3f9a', 'apply', NULL, 1795364100000, 'fleet.yaml');
INSERT INTO run VALUES (2, '20261122T163000Z-77c0', 'rollback', '20261122T161500Z-3f9a', 1795365000000, 'fleet.yaml');
INSERT INTO record VALUES (1, '20261122T161500Z-3f9a', 'web-1', 1795364100250, '{"intent":{"make_post_paid":{"instance":"i-2ze1abcdefghijklmnop"}}}');
INSERT INTO record VALUES (2, '20261122T161500Z-3f9a', 'web-1', 1795364100500, '{"done":["charge_type","nothing"]}');
INSERT INTO record VALUES (3, '20261122T161500Z-3f9a', 'web-1', 1795364100750, '{"intent":{"convert_public_ip":{"instance":"i-2ze1abcdefghijklmnop","address":"203.0.113.11"}}}');
INSERT INTO record VALUES (4, '20261122T161500Z-3f9a', 'web-1', 1795364101000, '{"done":["convert",{"converted":{"allocation":"eip-2ze1abcdefghijklmnop","address":"203.0.113.11"}}]}');
INSERT INTO record VALUES (5, '20261122T161500Z-3f9a', 'web-1', 1795364101250, '{"intent":{"create_eni":{"instance":"i-2ze1abcdefghijklmnop","name":"web-1-egress","vswitch":"vsw-2ze1abcdefghijklmnop","security_groups":["sg-2ze1abcdefghijklmnop"],"primary_ip":null}}}');
INSERT INTO record VALUES (6, '20261122T161500Z-3f9a', 'web-1', 1795364101500, '{"done":["create_eni",{"eni_created":{"eni":"eni-2ze1abcdefghijklmnop"}}]}');
INSERT INTO record VALUES (7, '20261122T161500Z-3f9a', 'web-1', 1795364101750, '{"intent":{"attach_eni":{"instance":"i-2ze1abcdefghijklmnop"}}}');
INSERT INTO record VALUES (8, '20261122T161500Z-3f9a', 'web-1', 1795364102000, '{"done":["attach_eni",{"eni_attached":{"eni":"eni-2ze1abcdefghijklmnop","mac":"00:16:3e:aa:bb:02","address":"172.16.20.57"}}]}');
INSERT INTO record VALUES (9, '20261122T161500Z-3f9a', 'web-1', 1795364102250, '{"intent":{"configure":{"route":{"mac":null,"address":null,"gateway":"172.16.20.253","primary_ip":"172.16.20.11","table":101,"priority":4101,"rc_local":true}}}}');
INSERT INTO record VALUES (10, '20261122T161500Z-3f9a', 'web-1', 1795364102500, '{"done":["configure",{"configured":{"before":{"path":"/etc/rc.d/rc.local","content":"#!/bin/bash\ntouch /var/lock/subsys/local\n","mode":420,"obstacle":null},"after":"#!/bin/bash\ntouch /var/lock/subsys/local\n# added\n"}}]}');
INSERT INTO record VALUES (11, '20261122T161500Z-3f9a', 'web-1', 1795364102750, '{"intent":{"unassociate_eip":{"from":{"instance":"i-2ze1abcdefghijklmnop"},"private_ip":null}}}');
INSERT INTO record VALUES (12, '20261122T161500Z-3f9a', 'web-1', 1795364103000, '{"done":["unassociate","nothing"]}');
INSERT INTO record VALUES (13, '20261122T161500Z-3f9a', 'web-1', 1795364103250, '{"intent":"associate_eip"}');
INSERT INTO record VALUES (14, '20261122T161500Z-3f9a', 'web-1', 1795364103500, '{"done":["associate","nothing"]}');
INSERT INTO record VALUES (15, '20261122T161500Z-3f9a', 'web-1', 1795364103750, '{"intent":"verify"}');
INSERT INTO record VALUES (16, '20261122T161500Z-3f9a', 'web-1', 1795364104000, '{"done":["verify","nothing"]}');
INSERT INTO record VALUES (17, '20261122T161500Z-3f9a', 'web-1', 1795364104250, '{"ended":"committed"}');
INSERT INTO record VALUES (18, '20261122T161500Z-3f9a', 'web-2', 1795364104500, '{"intent":{"configure":{"route":{"mac":"00:16:3e:aa:bb:03","address":"172.16.20.58","gateway":"172.16.20.253","primary_ip":"172.16.20.12","table":101,"priority":4101,"rc_local":false}}}}');
INSERT INTO record VALUES (19, '20261122T161500Z-3f9a', 'web-2', 1795364104750, '{"done":["configure",{"configured":{"before":{"path":"/etc/rc.local","content":null,"mode":0,"obstacle":"not text"},"after":null}}]}');
INSERT INTO record VALUES (20, '20261122T161500Z-3f9a', 'web-2', 1795364105000, '{"intent":{"unassociate_eip":{"from":{"eni":"eni-2ze1abcdefghijklmnoq"},"private_ip":"172.16.20.58"}}}');
INSERT INTO record VALUES (21, '20261122T161500Z-3f9a', 'web-2', 1795364105250, '{"refused":["unassociate","OperationConflict: the task is conflicting"]}');
INSERT INTO record VALUES (22, '20261122T161500Z-3f9a', 'web-2', 1795364105500, '{"undo_intent":"configure"}');
INSERT INTO record VALUES (23, '20261122T161500Z-3f9a', 'web-2', 1795364105750, '{"undone":["configure",null]}');
INSERT INTO record VALUES (24, '20261122T161500Z-3f9a', 'web-2', 1795364106000, '{"undo_intent":"convert"}');
INSERT INTO record VALUES (25, '20261122T161500Z-3f9a', 'web-2', 1795364106250, '{"undone":["convert","the conversion cannot be taken back"]}');
INSERT INTO record VALUES (26, '20261122T161500Z-3f9a', 'web-2', 1795364106500, '{"ended":{"unwound":"unassociate EIP: OperationConflict"}}');
INSERT INTO record VALUES (27, '20261122T163000Z-77c0', 'web-3', 1795364106750, '{"intent":{"unassociate_eip":{"from":{"other":["NatGateway","ngw-1"]},"private_ip":null}}}');
INSERT INTO record VALUES (28, '20261122T163000Z-77c0', 'web-3', 1795364107000, '{"unknown":["unassociate","no answer in 30 s"]}');
INSERT INTO record VALUES (29, '20261122T163000Z-77c0', 'web-3', 1795364107250, '{"undo_intent":"unassociate"}');
INSERT INTO record VALUES (30, '20261122T163000Z-77c0', 'web-3', 1795364107500, '{"undo_failed":["unassociate","the instance is gone: it''s \"not found\""]}');
INSERT INTO record VALUES (31, '20261122T163000Z-77c0', 'web-3', 1795364107750, '{"ended":{"stuck":"the EIP is bound to nothing"}}');

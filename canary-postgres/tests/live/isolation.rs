//! Ways from one tenant into another's schema, each found.

use canary_postgres::describe::Gravity;
use canary_postgres::isolation::read_breaches;
use canary_postgres::live::{Connection, Session};

use crate::{server, service};

#[tokio::test]
async fn each_way_into_another_tenant_is_found() {
    let cluster = server::shared().await;
    let setup = format!("CREATE ROLE app_isolation; {}", service::tenants(3));
    let url = server::database(&cluster, "isolation", &setup).await;
    let schemas: Vec<_> = (1..=3).map(|i| format!("t_{i}")).collect();
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let look = async || -> Vec<String> {
        let found = read_breaches(&connection, &schemas, Some("app_isolation")).await.unwrap();
        found
            .into_iter()
            .map(|b| format!("{:?} {}: {}", b.gravity, b.schema.unwrap_or_default(), b.text))
            .collect()
    };
    assert_eq!(look().await, [""; 0]);
    let cases = [
        (
            "ALTER TABLE t_2.orders ADD CONSTRAINT far FOREIGN KEY (user_id) REFERENCES t_1.users (id)",
            "ALTER TABLE t_2.orders DROP CONSTRAINT far",
            "Refuse t_2: foreign key orders.far reaches into t_1: table users",
        ),
        (
            "CREATE VIEW t_2.peek AS SELECT email FROM t_3.users",
            "DROP VIEW t_2.peek",
            "Refuse t_2: view peek reaches into t_3: table users",
        ),
        (
            "ALTER TABLE t_2.users ALTER id SET DEFAULT nextval('t_1.users_id_seq')",
            "ALTER TABLE t_2.users ALTER id SET DEFAULT nextval('t_2.users_id_seq')",
            "Refuse t_2: default of users.id reaches into t_1: sequence users_id_seq",
        ),
        (
            "CREATE FUNCTION t_1.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER x BEFORE INSERT ON t_2.users FOR EACH ROW EXECUTE FUNCTION t_1.touch()",
            "DROP TRIGGER x ON t_2.users; DROP FUNCTION t_1.touch()",
            "Refuse t_2: trigger users.x reaches into t_1: function touch",
        ),
        (
            "ALTER TABLE t_2.users ADD far t_3.mood",
            "ALTER TABLE t_2.users DROP far",
            "Refuse t_2: table users reaches into t_3: type mood",
        ),
        (
            "CREATE POLICY far ON t_2.users USING (id IN (SELECT id FROM t_1.users))",
            "DROP POLICY far ON t_2.users",
            "Refuse t_2: policy users.far reaches into t_1: table users",
        ),
        (
            "CREATE FUNCTION t_2.peek() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM \"t_3\".users); END'",
            "DROP FUNCTION t_2.peek()",
            "Refuse t_2: function peek names schema t_3",
        ),
        (
            "CREATE FUNCTION t_2.peek() RETURNS bigint LANGUAGE sql SET search_path = t_1 AS 'SELECT 1::bigint'",
            "DROP FUNCTION t_2.peek()",
            "Refuse t_2: function peek names schema t_1",
        ),
        (
            "CREATE FUNCTION t_2.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'",
            "DROP FUNCTION t_2.peek()",
            "Warn t_2: function peek is SECURITY DEFINER without a search_path of its own",
        ),
        (
            "ALTER ROLE app_isolation SET search_path = t_3, public",
            "ALTER ROLE app_isolation RESET search_path",
            "Refuse t_3: connections of app_isolation start with search_path t_3, public: what forgets to set it works on t_3",
        ),
        (
            "GRANT CREATE ON SCHEMA t_1 TO PUBLIC",
            "REVOKE CREATE ON SCHEMA t_1 FROM PUBLIC",
            "Refuse t_1: every role may create objects in it",
        ),
        (
            "ALTER TABLE t_1.users ENABLE ROW LEVEL SECURITY; ALTER ROLE app_isolation BYPASSRLS",
            "ALTER TABLE t_1.users DISABLE ROW LEVEL SECURITY; ALTER ROLE app_isolation NOBYPASSRLS",
            "Warn : row security does not hold for role app_isolation, which is one with BYPASSRLS: users (1 schemas)",
        ),
    ];
    for (plant, undo, said) in cases {
        server::write(&url, plant).await;
        assert_eq!(look().await, [said], "{plant}");
        server::write(&url, undo).await;
        assert_eq!(look().await, [""; 0], "{undo}");
    }
    assert!(Gravity::Refuse > Gravity::Undecided && Gravity::Undecided > Gravity::Warn);
}

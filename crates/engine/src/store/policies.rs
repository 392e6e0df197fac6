//! Row level security of PostgreSQL: whether policies keep a role from some rows of a table.

/// The condition that policies keep the role from some rows of the table with this oid, in a command of this kind: `r` for
/// SELECT, `d` for DELETE, `w` for UPDATE. The condition is false if one policy allows every row and none restricts that.
pub(crate) fn limit(table: &str, command: char) -> String {
    let policy = format!(
        "SELECT 1 FROM pg_catalog.pg_policy p WHERE p.polrelid = {table} AND p.polcmd IN ('{command}', '*')
          AND EXISTS (SELECT 1 FROM unnest(p.polroles) AS r(role)
            WHERE CASE WHEN role = 0 THEN true ELSE pg_has_role(role, 'USAGE') END)"
    );
    format!(
        "(row_security_active({table})
          AND (NOT EXISTS ({policy} AND p.polpermissive AND pg_get_expr(p.polqual, p.polrelid) = 'true')
            OR EXISTS ({policy} AND NOT p.polpermissive)))"
    )
}

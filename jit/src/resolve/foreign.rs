//! Functions that people bring from other languages, and those of the manual that are not here.
//!
//! In: the name of a function that is unknown. Out: what to write instead. HSL manual: functions.

/// What to say about an unknown function.
pub(super) fn hint(name: &str) -> Option<String> {
    if let Ok(index) = FUNCTIONS.binary_search_by(|(known, _)| (*known).cmp(name)) {
        return Some(FUNCTIONS[index].1.to_owned());
    }
    let constant = match name.to_ascii_lowercase().as_str() {
        "true" => "true",
        "false" => "false",
        "none" | "null" | "nil" | "undefined" => "none",
        _ => {
            let listed = NOT_HERE.binary_search(&name).is_ok();
            return listed.then(|| format!("the manual has `{name}`, postern does not"));
        }
    };
    Some(format!("did you mean `{constant}`?"))
}

const END: &str = "the script ends with `return`, or with a function of its hook";
const LENGTH: &str = "did you mean `length`?";
const NUMBER: &str = "did you mean `number`?";
const STRING: &str = "did you mean `string`?";
const BOOLEAN: &str = "did you mean `boolean`?";
const ECHO: &str = "did you mean `echo`?";
const FORMAT: &str = "`%` formats: `\"%s is %s\" % [$a, $b]`";
const KIND: &str = "ask by `is_string($value)`, `is_array($value)` and so on";

/// Sorted by name.
static FUNCTIONS: [(&str, &str); 63] = [
    ("all", "use `array_find` or `array_filter`"),
    ("any", "use `array_find` or `array_filter`"),
    ("array_key_exists", "write `isset($array[$key])`"),
    ("array_merge", "`$a + $b` joins two arrays"),
    (
        "array_pop",
        "the last element is `$array[-1:]`, all others are `$array[:-1]`",
    ),
    ("array_push", "write `$array[] = $value;`"),
    (
        "array_shift",
        "the first element is `$array[:1]`, all others are `$array[1:]`",
    ),
    ("array_slice", "write `$array[first:last]`"),
    ("array_unshift", "write `$array = [$value] + $array;`"),
    ("array_values", "write `$array[:]`"),
    ("bool", BOOLEAN),
    ("boolval", BOOLEAN),
    ("console", ECHO),
    ("date", "did you mean `strftime`?"),
    ("define", "a constant is a variable like any other"),
    ("die", END),
    ("empty", "test the value itself: `if (!$value)`"),
    ("exit", END),
    ("exports", "all of a module can be imported"),
    ("float", NUMBER),
    ("floatval", NUMBER),
    ("format", FORMAT),
    ("gettype", KIND),
    ("int", NUMBER),
    ("intval", NUMBER),
    ("is_bool", "did you mean `is_boolean`?"),
    ("is_callable", "did you mean `is_function`?"),
    ("is_float", "did you mean `is_number`?"),
    ("is_int", "did you mean `is_number`?"),
    ("is_null", "write `$value === none`"),
    ("is_numeric", "did you mean `is_number`?"),
    ("join", "did you mean `array_join`?"),
    ("len", LENGTH),
    ("list", "an array is taken apart by `[$a, $b] = $array`"),
    ("lower", "did you mean `str_lower`?"),
    ("parseFloat", NUMBER),
    ("parseInt", NUMBER),
    ("preg_match", "did you mean `pcre_match`?"),
    ("preg_match_all", "did you mean `pcre_match_all`?"),
    ("preg_quote", "did you mean `pcre_quote`?"),
    ("preg_replace", "did you mean `pcre_replace`?"),
    ("print", ECHO),
    ("print_r", ECHO),
    ("printf", FORMAT),
    ("println", ECHO),
    ("puts", ECHO),
    ("replace", "did you mean `str_replace`?"),
    ("size", LENGTH),
    ("sizeof", LENGTH),
    ("split", "did you mean `str_split`?"),
    ("sprintf", FORMAT),
    ("str", STRING),
    ("str_contains", "write `str_find($text, $part) != -1`"),
    ("strcasecmp", "write `str_lower($a) == str_lower($b)`"),
    ("strcmp", "strings are compared by `==` and `<`"),
    ("stripos", "write `str_find(str_lower($text), $part)`"),
    ("substring", "write `$text[first:last]`"),
    ("toLowerCase", "did you mean `str_lower`?"),
    ("toString", STRING),
    ("tostring", STRING),
    ("type", KIND),
    ("typeof", KIND),
    ("var_dump", ECHO),
];

/// Functions of the manual that postern has for no hook, sorted. Those it has are known before anybody asks here.
static NOT_HERE: [&str; 67] = [
    "AddHeader",
    "AppendHeader",
    "Bounce",
    "CurrentConnections",
    "DKIMSDID",
    "DKIMSign",
    "DelHeader",
    "Delete",
    "Deliver",
    "Done",
    "GetDSN",
    "GetDSNHeader",
    "GetHeader",
    "GetHeaders",
    "GetMailFile",
    "GetMailMessage",
    "GetMailQueueMetric",
    "GetMetaData",
    "GetRoute",
    "History",
    "LDAP",
    "PrependHeader",
    "Quarantine",
    "Queue",
    "Reschedule",
    "Retry",
    "ScanCLAM",
    "ScanDLP",
    "ScanDMARC",
    "ScanKAV",
    "ScanRPD",
    "ScanSA",
    "SetDSN",
    "SetDelayedDeliver",
    "SetHeader",
    "SetMailTransport",
    "SetMetaData",
    "SetRecipient",
    "SetSender",
    "SetSenderHELO",
    "Socket",
    "TLSSocket",
    "Try",
    "crypt",
    "dns_query",
    "dnsbl",
    "dnsmx",
    "dnsptr",
    "dnstxt",
    "file",
    "globalview",
    "http",
    "in_file",
    "ldap_bind",
    "ldap_search",
    "mail",
    "pkcs7_sign",
    "rate",
    "rsa_sign",
    "rsa_verify",
    "serial",
    "sleep",
    "smtp_lookup_auth",
    "smtp_lookup_rcpt",
    "spf_query",
    "stat",
    "syslog",
];

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, NOT_HERE, hint};

    #[test]
    fn names_are_in_order_and_found() {
        assert!(FUNCTIONS.is_sorted_by(|(one, _), (next, _)| one < next));
        assert!(NOT_HERE.is_sorted_by(|one, next| one < next));
        assert_eq!(hint("NULL").as_deref(), Some("did you mean `none`?"));
        assert_eq!(hint("len").as_deref(), Some("did you mean `length`?"));
        assert!(hint("http").is_some());
        assert_eq!(hint("nothing_of_the_kind"), None);
    }
}

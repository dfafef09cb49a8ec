//! Every bound of the engine, in one place.
//!
//! In: nothing. Out: constants, each with its unit in the name, the section that asks for it and
//! the reason for the number. Those named `..._DEFAULT` are what a profile gets when it says
//! nothing; the others hold for every profile.
//!
//! Guarantees: the relations between the numbers are checked when the engine is compiled (end of
//! this file).
//! Does not: apply any limit. The reader of a constant does that, and names the limit in its reply
//! or error.
//!
//! RFC 5321 §4.5.3 (sizes and time-outs), RFC 1870 §3 (SIZE), RFC 6152 §2 (8BITMIME), RFC 4954 §3
//! and §4 (AUTH).

/// Longest local-part in octets (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_OCTETS_MAX: usize = 64;

/// Longest domain in octets (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_OCTETS_MAX: usize = 255;

/// Longest label of a domain in octets (RFC 1035 §2.3.4).
pub const DOMAIN_LABEL_OCTETS_MAX: usize = 63;

/// Longest reverse-path or forward-path in octets, angle brackets and source route included
/// (RFC 5321 §4.5.3.1.3).
pub const PATH_OCTETS_MAX: usize = 256;

/// Longest command line in octets, CRLF included, when no extension raises it
/// (RFC 5321 §4.5.3.1.4).
pub const BASIC_COMMAND_LINE_OCTETS_MAX: usize = 512;

/// What SIZE adds to the MAIL command line, in octets (RFC 1870 §3).
pub const SIZE_COMMAND_LINE_OCTETS: usize = 26;

/// What 8BITMIME adds to the MAIL command line, in octets (RFC 6152 §2).
pub const EIGHT_BIT_MIME_COMMAND_LINE_OCTETS: usize = 17;

/// What SMTPUTF8 adds to the MAIL command line, in octets: its keyword and a space.
pub const SMTPUTF8_COMMAND_LINE_OCTETS: usize = 9;

/// Longest envelope identifier in octets as sent, in xtext (RFC 3461 §4.4).
pub const ENVID_OCTETS_MAX: usize = 100;

/// Longest original recipient in octets as sent, type included (RFC 3461 §4.2).
pub const ORCPT_OCTETS_MAX: usize = 500;

/// What DSN adds to the RCPT command line, in octets; to MAIL it adds less: ORCPT, and NOTIFY with everything it may ask
/// for.
pub const DSN_COMMAND_LINE_OCTETS: usize =
    " ORCPT=".len() + ORCPT_OCTETS_MAX + " NOTIFY=SUCCESS,FAILURE,DELAY".len();

/// Longest command line in octets, CRLF included. The extensions raise the limits of MAIL and RCPT only; one number for
/// every verb spares the scanner from knowing verbs.
pub const COMMAND_LINE_OCTETS_MAX: usize = BASIC_COMMAND_LINE_OCTETS_MAX
    + SIZE_COMMAND_LINE_OCTETS
    + EIGHT_BIT_MIME_COMMAND_LINE_OCTETS
    + SMTPUTF8_COMMAND_LINE_OCTETS
    + DSN_COMMAND_LINE_OCTETS;

/// Octets over the message limit that BDAT may announce and that are read only to be thrown away, so that the session
/// can go on. A client that announces more is let go.
pub const CHUNK_OCTETS_SKIPPED_MAX: u64 = 1 << 30;

/// What AUTH adds to the MAIL command line where it is offered, in octets (RFC 4954 §3).
pub const AUTH_COMMAND_LINE_OCTETS: usize = 500;

/// Longest line of an authentication exchange in octets, CRLF included: AUTH with its initial
/// response, and the answers to challenges (RFC 4954 §4).
pub const AUTH_LINE_OCTETS_MAX: usize = 12_288;

/// Longest name of a user in octets: a mailbox has no more.
pub const USER_NAME_OCTETS_MAX: usize = 255;

/// Longest password in octets. What hashing costs grows with it, and clients choose it; longer ones
/// are nobody's.
pub const PASSWORD_OCTETS_MAX: usize = 1_024;

/// Most memory that verifying one password may take, in bytes; a hash that asks for more is refused
/// when the configuration is loaded.
pub const HASH_MEMORY_BYTES_MAX: u64 = 1_024 * 1_024 * 1_024;

/// Attempts to log in that may wait for one verifying thread; one more is answered 454.
pub const ATTEMPTS_PER_VERIFIER_COUNT: usize = 64;

/// Attempts to log in that one shard may have under way; one more is answered 454.
pub const ATTEMPTS_PER_SHARD_COUNT: usize = 256;

/// Wait for the outcome of an attempt to log in, in milliseconds; then it is answered 454.
pub const VERIFICATION_TIMEOUT_MS: u64 = 60_000;

/// Attempts to log in that may fail on one connection, by default; the last of them ends it.
pub const AUTH_FAILURES_COUNT_DEFAULT: u32 = 3;

/// Wait before the first failure to log in is answered, in milliseconds, by default; the second
/// takes twice that, the third three times.
pub const AUTH_FAILURE_DELAY_MS_DEFAULT: u64 = 1_000;

/// Longest wait before a failure to log in is answered, in milliseconds.
pub const AUTH_FAILURE_DELAY_MS_MAX: u64 = 10_000;

/// Longest reply line in octets, code and CRLF included (RFC 5321 §4.5.3.1.5). Longer text goes on
/// in a further line.
pub const REPLY_LINE_OCTETS_MAX: usize = 512;

/// Longest text of one reply in octets, before it is cut. Scripts write replies; a client must not
/// have to read without end, and one reply must fit the reply buffer whatever its line structure.
pub const REPLY_TEXT_OCTETS_MAX: usize = 4_096;

/// Most lines of one reply. Every line costs a prefix of up to 16 octets, so that the text bound
/// alone is not enough.
pub const REPLY_LINES_MAX: usize = 128;

/// Replies gathered for a client that does not read, in bytes: past it the pump stops parsing and
/// sends first.
pub const REPLY_BUFFER_BYTES_MAX: usize = 65_536;

/// Memory that a connection keeps for its next replies once it has sent what was gathered, in bytes: the replies to a
/// hundred pipelined commands and more. An idle client that once sent a thousand must not hold tens of kilobytes.
pub const REPLY_BUFFER_BYTES_KEPT: usize = 4_096;

/// Longest parameter of HELO and EHLO kept, in octets: a domain with room for an address literal.
pub const HELO_DOMAIN_OCTETS_MAX: usize = DOMAIN_OCTETS_MAX;

/// Longest name of a transport in octets: scripts give them to recipients.
pub const TRANSPORT_OCTETS_MAX: usize = 255;

/// Most extensions that a script may have EHLO announce.
pub const EHLO_EXTENSIONS_COUNT_MAX: usize = 32;

/// Longest extension that a script may have EHLO announce, with its parameters, in octets.
pub const EHLO_EXTENSION_OCTETS_MAX: usize = 110;

/// Longest first line that a script may have EHLO and HELO answer with, in octets. It must not go on in a second one,
/// which clients would take for an extension.
pub const EHLO_GREETING_OCTETS_MAX: usize = 500;

/// Longest transaction id in octets. A UUID in text has 36.
pub const TRANSACTION_ID_OCTETS_MAX: usize = 40;

/// Recipients of one message a profile may never go below (RFC 5321 §4.5.3.1.8).
pub const RECIPIENTS_PER_MESSAGE_FLOOR_COUNT: u32 = 100;

/// Recipients of one message a profile may never go above: their text lives in memory, one command
/// line each.
pub const RECIPIENTS_PER_MESSAGE_CEILING_COUNT: u32 = 100_000;

/// Recipients of one message by default.
pub const RECIPIENTS_PER_MESSAGE_COUNT_DEFAULT: u32 = 1_000;

/// Largest message in octets by default, as announced with SIZE (RFC 5321 §4.5.3.1.7 asks for at
/// least 64 Ki).
pub const MESSAGE_OCTETS_MAX_DEFAULT: u64 = 64 * 1024 * 1024;

/// Messages accepted on one connection by default.
pub const MESSAGES_PER_CONNECTION_COUNT_DEFAULT: u32 = 1_000;

/// Errors on one connection by default; the one after them is answered 421.
pub const ERRORS_PER_CONNECTION_COUNT_DEFAULT: u32 = 20;

/// Commands that bring no message nearer (NOOP, RSET, VRFY and so on) between two messages, by
/// default.
pub const IDLE_COMMANDS_COUNT_DEFAULT: u32 = 100;

/// `Received:` fields of one message by default, past which it is taken for a loop (RFC 5321 §6.3:
/// at least 100).
pub const RECEIVED_HEADERS_COUNT_DEFAULT: u32 = 100;

/// Longest line of a header field that postern writes, in octets without CRLF (RFC 5322 §2.1.1).
pub const TRACE_LINE_OCTETS_MAX: usize = 998;

/// Memory that a session keeps for its next envelope after a transaction has ended, in bytes. More
/// is given back.
pub const ENVELOPE_BYTES_KEPT: usize = 2_048;

/// Wait for the next command line in milliseconds (RFC 5321 §4.5.3.2.7: at least five minutes).
pub const COMMAND_TIMEOUT_MS_DEFAULT: u64 = 300_000;

/// Wait for the next octets of mail data in milliseconds (RFC 5321 §4.5.3.2.5 gives clients three
/// minutes).
pub const MAIL_DATA_TIMEOUT_MS_DEFAULT: u64 = 180_000;

/// One transaction, from MAIL to the end of mail data, in milliseconds.
pub const TRANSACTION_TIMEOUT_MS_DEFAULT: u64 = 3_600_000;

/// Wait for a client to take replies, in milliseconds.
pub const WRITE_TIMEOUT_MS_DEFAULT: u64 = 60_000;

/// Slowest mail data in octets per second, averaged over [`MAIL_DATA_RATE_WINDOW_MS_DEFAULT`].
pub const MAIL_DATA_OCTETS_PER_SECOND_MIN_DEFAULT: u64 = 500;

/// Time over which the rate of mail data is measured, in milliseconds.
pub const MAIL_DATA_RATE_WINDOW_MS_DEFAULT: u64 = 30_000;

/// Connections of one process by default.
pub const CONNECTIONS_COUNT_DEFAULT: u32 = 100_000;

/// Connections of one client (IPv4 address or IPv6 /64) by default.
pub const CONNECTIONS_PER_CLIENT_COUNT_DEFAULT: u32 = 50;

/// New connections of one client per second by default; 0 means no limit.
pub const CONNECTIONS_PER_CLIENT_PER_SECOND_COUNT_DEFAULT: u32 = 0;

/// Longest line of the PROXY protocol in octets, CRLF included (HAProxy's "The PROXY protocol", §2.1).
pub const PROXY_TEXT_HEADER_OCTETS_MAX: usize = 107;

/// Longest binary header of the PROXY protocol in octets. It may announce 65,551, and balancers send some hundred: addresses,
/// and what a TLS handshake said.
pub const PROXY_BINARY_HEADER_OCTETS_MAX: usize = 4_096;

/// Wait for the whole PROXY header in milliseconds, by default. The balancer sends it before anything else; the
/// specification asks for at least three seconds, one retransmission.
pub const PROXY_HEADER_TIMEOUT_MS_DEFAULT: u64 = 5_000;

/// Connections that may wait for their PROXY header at one time, by default: until then nobody knows whose they are, so
/// that no other limit of a client holds.
pub const PROXY_HEADERS_AWAITED_COUNT_DEFAULT: u32 = 1_000;

/// Descriptors that must be left for new mail to be taken, by default. Writers of a Maildir open one per message at a time.
pub const DESCRIPTORS_FREE_COUNT_DEFAULT: u64 = 64;

/// Space that must be left for new mail to be taken, in bytes, by default: two messages of the largest size.
pub const SPOOL_FREE_BYTES_DEFAULT: u64 = 2 * MESSAGE_OCTETS_MAX_DEFAULT;

/// Inodes that must be left for new mail to be taken, by default: each message is a file.
pub const SPOOL_FREE_INODES_COUNT_DEFAULT: u64 = 1_000;

/// Wait for running transactions when the process is asked to stop, in milliseconds.
pub const DRAIN_TIMEOUT_MS: u64 = 30_000;

/// Receive buffer of one connection in bytes: a batch of pipelined commands, or a good slice of
/// mail data.
pub const RECEIVE_BUFFER_BYTES: usize = 16_384;

/// Receive buffer of one TLS connection for records, in bytes: one record of the largest size, with its header, that
/// TLS 1.2 allows (RFC 5246 §6.2.3). A handshake message must fit, too.
pub const TLS_RECORD_BUFFER_BYTES: usize = 5 + 16_384 + 2_048;

/// Plaintext of one record in octets (RFC 8446 §5.1).
pub const TLS_PLAINTEXT_OCTETS_MAX: usize = 16_384;

/// Records a client may send before the handshake is complete, in octets: several certificates and then some.
pub const TLS_HANDSHAKE_OCTETS_MAX: usize = 65_536;

/// Alternative names of a certificate that are kept: what clients show of theirs lives as long as their connection.
/// The certificates of this server are read with the same bound.
pub const CERTIFICATE_NAMES_COUNT_MAX: usize = 100;

/// Attributes of each of the two names of a certificate that are kept; most have fewer than ten.
pub const CERTIFICATE_ATTRIBUTES_COUNT_MAX: usize = 50;

/// Longest type of such an attribute, in octets of DER; another one is left out.
pub const CERTIFICATE_TYPE_OCTETS_MAX: usize = 64;

/// Longest text of a certificate that is kept, in octets; a domain has 255.
pub const CERTIFICATE_TEXT_OCTETS_MAX: usize = 512;

/// Largest file with a certificate chain or a key, in bytes.
pub const CERTIFICATE_FILE_BYTES_MAX: u64 = 1_048_576;

/// Command lines answered before the pump lets other connections of its shard run.
pub const COMMANDS_PER_TURN_COUNT: u32 = 256;

/// One execution of a script, from its start to its end, in milliseconds, by default.
pub const SCRIPT_WALL_MS_DEFAULT: u64 = 30_000;

/// CPU of one execution of a script in milliseconds, by default.
pub const SCRIPT_CPU_MS_DEFAULT: u64 = 100;

/// Memory of one execution of a script in bytes, by default.
pub const SCRIPT_MEMORY_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Fuel a script burns before other connections of its shard run: a hundred microseconds of the
/// simplest loop.
pub const SCRIPT_FUEL_PER_SLICE: u64 = 20_000;

/// What a connection may keep in `$context` between two scripts, in bytes. Scripts collect there what clients send, and
/// every connection has its own: the memory of one execution, which is gone at its end, would be far too much.
pub const SCRIPT_CONTEXT_BYTES_MAX: usize = 262_144;

/// Longest line of a reply of a next hop in octets, CRLF excluded. RFC 5321 §4.5.3.1.5 allows 512; servers that write
/// more exist, and what they say is of use.
pub const NEXT_HOP_REPLY_LINE_OCTETS_MAX: usize = 2_048;

/// Most lines of a reply of a next hop: EHLO replies have a few dozen.
pub const NEXT_HOP_REPLY_LINES_MAX: usize = 128;

/// Longest text of a reply of a next hop in octets, codes and CRLF excluded.
pub const NEXT_HOP_REPLY_OCTETS_MAX: usize = 16_384;

/// Connections of one shard to one next hop by default; further messages wait for one of them.
pub const NEXT_HOP_CONNECTIONS_COUNT_DEFAULT: u32 = 100;

/// Messages that wait for a connection to one next hop, on one shard: they hold memory, and their clients wait.
pub const NEXT_HOP_WAITING_COUNT_MAX: usize = 10_000;

/// Connections kept open to one next hop on one shard while nobody needs them.
pub const NEXT_HOP_IDLE_CONNECTIONS_COUNT_MAX: usize = 20;

/// How long a connection to a next hop is kept open for further messages in milliseconds, by default. Servers wait for
/// five minutes; one that is busy is glad to have its sockets back.
pub const NEXT_HOP_IDLE_TIMEOUT_MS_DEFAULT: u64 = 30_000;

/// Messages sent on one connection to a next hop by default.
pub const NEXT_HOP_MESSAGES_PER_CONNECTION_COUNT_DEFAULT: u32 = 100;

/// Wait for a connection to a next hop, one of its addresses, in milliseconds, by default.
pub const NEXT_HOP_CONNECT_TIMEOUT_MS_DEFAULT: u64 = 30_000;

/// Wait for the greeting of a next hop and for its reply to a command in milliseconds, by default
/// (RFC 5321 §4.5.3.2.1 to §4.5.3.2.3: five minutes).
pub const NEXT_HOP_COMMAND_TIMEOUT_MS_DEFAULT: u64 = 300_000;

/// Longest wait for the reply to DATA in milliseconds (RFC 5321 §4.5.3.2.4: two minutes).
pub const NEXT_HOP_DATA_TIMEOUT_MS_MAX: u64 = 120_000;

/// Wait for a next hop to take more mail data in milliseconds, by default (RFC 5321 §4.5.3.2.5: three minutes).
pub const NEXT_HOP_MAIL_DATA_TIMEOUT_MS_DEFAULT: u64 = 180_000;

/// Wait for the reply to the end of mail data in milliseconds, by default (RFC 5321 §4.5.3.2.6: ten minutes).
pub const NEXT_HOP_FINAL_REPLY_TIMEOUT_MS_DEFAULT: u64 = 600_000;

/// Mail data gathered before it is sent to a next hop, in bytes: what one read of the client gives, about.
pub const NEXT_HOP_SEND_BUFFER_BYTES: usize = 16_384;

/// Receive buffer of a connection to a next hop in bytes; replies are short.
pub const NEXT_HOP_RECEIVE_BUFFER_BYTES: usize = 2_048;

/// Addresses of one next hop that are tried in turn.
pub const NEXT_HOP_ADDRESSES_COUNT_MAX: usize = 8;

/// How often the name of a next hop is looked up again, in milliseconds.
pub const NEXT_HOP_RESOLVE_EVERY_MS: u64 = 60_000;

/// What one execution of a script may `echo` to the log, in octets.
pub const SCRIPT_OUTPUT_OCTETS_MAX: usize = 65_536;

/// What `cache` keeps in one process, in octets, about; and as much again for the variables of barriers.
pub const SHARED_OCTETS_MAX: usize = 64 * 1024 * 1024;

const _: () = {
    assert!(
        COMMAND_LINE_OCTETS_MAX + AUTH_COMMAND_LINE_OCTETS <= AUTH_LINE_OCTETS_MAX
            && AUTH_LINE_OCTETS_MAX < RECEIVE_BUFFER_BYTES,
        "a line is borrowed from the buffer"
    );
    assert!(
        PATH_OCTETS_MAX < BASIC_COMMAND_LINE_OCTETS_MAX,
        "a path must fit a command line"
    );
    assert!(
        LOCAL_PART_OCTETS_MAX < PATH_OCTETS_MAX,
        "a local-part must fit a path"
    );
    assert!(
        DOMAIN_LABEL_OCTETS_MAX < DOMAIN_OCTETS_MAX,
        "a label must fit a domain"
    );
    assert!(
        REPLY_TEXT_OCTETS_MAX + REPLY_LINES_MAX * 32 <= REPLY_BUFFER_BYTES_MAX / 4,
        "several of the longest replies must fit the reply buffer"
    );
    assert!(
        RECIPIENTS_PER_MESSAGE_FLOOR_COUNT <= RECIPIENTS_PER_MESSAGE_COUNT_DEFAULT
            && RECIPIENTS_PER_MESSAGE_COUNT_DEFAULT <= RECIPIENTS_PER_MESSAGE_CEILING_COUNT,
        "the default must be one a profile may write"
    );
    assert!(
        RECIPIENTS_PER_MESSAGE_CEILING_COUNT as usize
            <= u32::MAX as usize
                / (PATH_OCTETS_MAX + COMMAND_LINE_OCTETS_MAX + TRANSPORT_OCTETS_MAX),
        "an envelope is addressed with 32 bits, whatever scripts put into it"
    );
    assert!(
        EHLO_EXTENSION_OCTETS_MAX * EHLO_EXTENSIONS_COUNT_MAX + EHLO_GREETING_OCTETS_MAX
            <= REPLY_TEXT_OCTETS_MAX
            && EHLO_EXTENSIONS_COUNT_MAX < REPLY_LINES_MAX
            && "250-".len() + EHLO_GREETING_OCTETS_MAX + "\r\n".len() <= REPLY_LINE_OCTETS_MAX,
        "what a script has EHLO announce must be sent as it is"
    );
    assert!(
        MESSAGE_OCTETS_MAX_DEFAULT >= 65_536,
        "RFC 5321 asks for 64 Ki octets at least"
    );
    assert!(
        COMMAND_TIMEOUT_MS_DEFAULT >= 300_000,
        "RFC 5321 asks for five minutes at least"
    );
    assert!(
        RECEIVED_HEADERS_COUNT_DEFAULT >= 100,
        "RFC 5321 asks for a hundred at least"
    );
};

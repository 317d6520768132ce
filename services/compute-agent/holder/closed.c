/* Closes the namespace towards networks, from inside and for good: a netfilter table refuses whatever leaves for them, however it was
 * routed (routes alone do not hold against a socket that is bound to the device, nor against broadcasts). IPv6 is closed altogether.
 * The engine's resolver lives in this namespace too and asks as root, which tasks never are; its questions pass. */
#include "system.h"

enum { NETLINK_NETFILTER = 12, NLMSG_ERROR = 2, NLM_F_REQUEST = 1, NLM_F_ACK = 4, NLM_F_CREATE = 0x400, NLM_F_APPEND = 0x800 };
enum { BATCH_BEGIN = 16, BATCH_END = 17, NFTABLES = 10, NEWTABLE = 0, NEWCHAIN = 3, NEWRULE = 6 };
enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 10, HOOK_OUTPUT = 3, VERDICT_DROP = 0, VERDICT_ACCEPT = 1 };
enum { NESTED = 0x8000, REGISTER = 1, LOOPBACK_INDEX = 1, META_OUT_INDEX = 5, META_SOCKET_UID = 10 };
enum { NETWORK_HEADER = 1, TRANSPORT_HEADER = 2, DESTINATION_OFFSET = 16, PORT_OFFSET = 2, DNS_PORT = 53, ICMP_FILTERED = 13 };

struct message { u32 length; u16 type, flags; u32 sequence, port; u8 family, version; u16 resource; };
struct attribute { u16 length, type; };

static u8 batch[131072];
static u32 filled, last_message;
static bool is_overfull;

static void *append(u32 bytes) {
  u32 aligned = (bytes + 3) & ~3U;
  if (filled + aligned > sizeof batch) is_overfull = true;
  if (is_overfull) return batch;
  void *place = batch + filled;
  __builtin_memset(place, 0, aligned);
  filled += aligned;
  return place;
}

static u32 begin_message(u16 type, u16 flags, u8 family, u16 resource) {
  u32 start = filled;
  struct message *message = append(sizeof *message);
  *message = (struct message){0, type, (u16)(NLM_F_REQUEST | flags), 0, 0, family, 0, big_endian16(resource)};
  return start;
}

static void end_message(u32 start) {
  ((struct message *)(batch + start))->length = filled - start;
  last_message = start;
}

static void add(u16 type, const void *value, u32 bytes) {
  struct attribute *attribute = append((u32)sizeof *attribute + bytes);
  if (is_overfull) return;
  *attribute = (struct attribute){(u16)(sizeof *attribute + bytes), type};
  __builtin_memcpy(attribute + 1, value, bytes);
}

static void add_text(u16 type, const char *text) { add(type, text, (u32)length_of(text) + 1); }

static void add_number(u16 type, u32 value) {
  value = big_endian32(value);
  add(type, &value, sizeof value);
}

static u32 begin_nested(u16 type) {
  u32 start = filled;
  struct attribute *attribute = append(sizeof *attribute);
  attribute->type = (u16)(type | NESTED);
  return start;
}

static void end_nested(u32 start) { ((struct attribute *)(batch + start))->length = (u16)(filled - start); }

struct expression { u32 element, data; };

static struct expression begin_expression(const char *name) {
  struct expression expression;
  expression.element = begin_nested(1);
  add_text(1, name);
  expression.data = begin_nested(2);
  return expression;
}

static void end_expression(struct expression expression) {
  end_nested(expression.data);
  end_nested(expression.element);
}

static void add_value(u16 type, const void *value, u32 bytes) {
  u32 data = begin_nested(type);
  add(1, value, bytes);
  end_nested(data);
}

static void load_meta(u32 key) {
  struct expression meta = begin_expression("meta");
  add_number(1, REGISTER);
  add_number(2, key);
  end_expression(meta);
}

static void load_header(u32 base, u32 offset, u32 bytes) {
  struct expression payload = begin_expression("payload");
  add_number(1, REGISTER);
  add_number(2, base);
  add_number(3, offset);
  add_number(4, bytes);
  end_expression(payload);
}

static void mask(u32 bits) {
  const u32 zero = 0;
  struct expression bitwise = begin_expression("bitwise");
  add_number(1, REGISTER);
  add_number(2, REGISTER);
  add_number(3, sizeof bits);
  add_value(4, &bits, sizeof bits);
  add_value(5, &zero, sizeof zero);
  end_expression(bitwise);
}

static void must_equal(const void *value, u32 bytes) {
  struct expression compare = begin_expression("cmp");
  add_number(1, REGISTER);
  add_number(2, 0);
  add_value(3, value, bytes);
  end_expression(compare);
}

static void accept(void) {
  struct expression immediate = begin_expression("immediate");
  add_number(1, 0);
  u32 data = begin_nested(2), verdict = begin_nested(2);
  add_number(1, VERDICT_ACCEPT);
  end_nested(verdict);
  end_nested(data);
  end_expression(immediate);
}

static void reject(void) {
  const u8 code = ICMP_FILTERED;
  struct expression reject = begin_expression("reject");
  add_number(1, 0);
  add(2, &code, sizeof code);
  end_expression(reject);
}

struct rule { u32 message, expressions; };

static struct rule begin_rule(u8 family) {
  struct rule rule;
  rule.message = begin_message(NFTABLES << 8 | NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, 0);
  add_text(1, "skrei");
  add_text(2, "output");
  rule.expressions = begin_nested(4);
  return rule;
}

static void end_rule(struct rule rule) {
  end_nested(rule.expressions);
  end_message(rule.message);
}

static void begin_table(u8 family, u32 policy) {
  filled = 0;
  end_message(begin_message(BATCH_BEGIN, 0, 0, NFTABLES));
  u32 table = begin_message(NFTABLES << 8 | NEWTABLE, NLM_F_CREATE, family, 0);
  add_text(1, "skrei");
  end_message(table);
  u32 chain = begin_message(NFTABLES << 8 | NEWCHAIN, NLM_F_CREATE, family, 0);
  add_text(1, "skrei");
  add_text(3, "output");
  u32 hook = begin_nested(4);
  add_number(1, HOOK_OUTPUT);
  add_number(2, 0);
  end_nested(hook);
  add_number(5, policy);
  add_text(7, "filter");
  end_message(chain);
}

/* What stays in the namespace passes. */
static void add_loopback_rule(u8 family) {
  const u32 index = LOOPBACK_INDEX;
  struct rule rule = begin_rule(family);
  load_meta(META_OUT_INDEX);
  must_equal(&index, sizeof index);
  accept();
  end_rule(rule);
}

static void add_resolver_rule(void) {
  const u32 root = 0;
  const u16 port = big_endian16(DNS_PORT);
  struct rule rule = begin_rule(FAMILY_IPV4);
  load_meta(META_SOCKET_UID);
  must_equal(&root, sizeof root);
  load_header(TRANSPORT_HEADER, PORT_OFFSET, sizeof port);
  must_equal(&port, sizeof port);
  accept();
  end_rule(rule);
}

static void add_network_rule(u32 network, u32 bits) {
  struct rule rule = begin_rule(FAMILY_IPV4);
  load_header(NETWORK_HEADER, DESTINATION_OFFSET, sizeof network);
  mask(bits);
  must_equal(&network, sizeof network);
  reject();
  end_rule(rule);
}

/* The kernel's error, 0 when all of the batch holds. */
static i64 commit(void) {
  u8 reply[4096];
  /* Errors come in order, so an acknowledgement of the last that comes first tells that all is well. */
  ((struct message *)(batch + last_message))->flags |= NLM_F_ACK;
  end_message(begin_message(BATCH_END, 0, 0, NFTABLES));
  if (is_overfull) return -ENOBUFS;
  i64 socket = CALL3(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (socket < 0) return socket;
  i64 bytes = CALL6(sendto, socket, batch, filled, 0, 0, 0);
  if (bytes > 0) bytes = CALL6(recvfrom, socket, reply, sizeof reply, 0, 0, 0);
  CALL1(close, socket);
  if (bytes < 20) return bytes < 0 ? bytes : -ENOBUFS;
  struct message *message = (struct message *)reply;
  return message->type == NLMSG_ERROR ? *(int *)(reply + 16) : -ENOBUFS;
}

/* `10.0.0.0/8`; false for anything else. */
static bool parse_network(const char *text, u32 *network, u32 *bits) {
  u32 address = 0, length = 0;
  for (int part = 0; part < 5; part++) {
    u32 value = 0, digits = 0;
    for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++) value = value * 10 + (u32)(*text - '0');
    const char after[] = {'.', '.', '.', '/', 0};
    if (digits == 0 || value > (part == 4 ? 32 : 255) || *text++ != after[part]) return false;
    if (part == 4) length = value;
    else address = address << 8 | value;
  }
  *bits = big_endian32(length == 0 ? 0 : ~0U << (32 - length));
  *network = big_endian32(address) & *bits;
  return true;
}

static void give_up_capabilities(void) {
  const u32 header[2] = {0x20080522, 0}, nothing[6] = {0};
  CALL2(capset, header, nothing);
}

const char *close_networks(int count, char **networks) {
  begin_table(FAMILY_IPV4, VERDICT_ACCEPT);
  add_loopback_rule(FAMILY_IPV4);
  add_resolver_rule();
  for (int i = 0; i < count; i++) {
    u32 network, bits;
    if (!parse_network(networks[i], &network, &bits)) return "not an IPv4 network in CIDR form";
    add_network_rule(network, bits);
  }
  if (commit() != 0) return "the kernel takes no netfilter table (nf_tables) from the holder";
  begin_table(FAMILY_IPV6, VERDICT_DROP);
  add_loopback_rule(FAMILY_IPV6);
  i64 error = commit();
  give_up_capabilities();
  /* A kernel without IPv6 has nothing to close. */
  return error == 0 || error == -EAFNOSUPPORT || error == -EOPNOTSUPP ? 0 : "the kernel takes no netfilter table for IPv6";
}

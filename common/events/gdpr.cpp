#include "events/gdpr.hpp"

#include "text/rules.hpp"

#include <algorithm>
#include <limits>

namespace omnibus {
namespace {

constexpr std::size_t key_digits = 32;
constexpr std::size_t most_identities = 100;
constexpr std::size_t most_counts = 500;

std::optional<InvalidField> subject_key_rule(std::string_view field, std::string_view value) {
  auto const is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (value.size() == key_digits && std::all_of(value.begin(), value.end(), is_hex)) return std::nullopt;
  return InvalidField{std::string{field}, "must be 32 lower-case hexadecimal digits"};
}

/// No free text: a name, a number with its + or an address does not fit.
std::optional<InvalidField> name_rule(std::string_view field, std::string_view value, std::size_t most) {
  auto const fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == ':' || c == '-';
  };
  if (!value.empty() && value.size() <= most && std::all_of(value.begin(), value.end(), fits)) return std::nullopt;
  return InvalidField{std::string{field}, "must be a name of letters, digits and . _ : -"};
}

}  // namespace

std::optional<InvalidField> validate(GdprRequest const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = subject_key_rule("subject_key", event.subject_key)) return invalid;
  if (event.identities.size() > most_identities) return InvalidField{"identities", "must be at most 100"};
  for (auto const& identity : event.identities)
    if (auto invalid = subject_key_rule("identities", identity)) return invalid;
  return rules::one_of("reason", event.reason,
                       {"subject_request", "consent_withdrawn", "objection", "no_longer_needed", "unlawful",
                        "legal_obligation", "child"});
}

std::optional<InvalidField> validate(GdprAuditRecorded const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = name_rule("action", event.action, 64)) return invalid;
  if (auto invalid = name_rule("actor", event.actor, 64)) return invalid;
  if (auto invalid = rules::word("status", event.status)) return invalid;
  if (event.subject_key)
    if (auto invalid = subject_key_rule("subject_key", *event.subject_key)) return invalid;
  if (event.counts.size() > most_counts) return InvalidField{"counts", "must be at most 500"};
  for (auto const& count : event.counts) {
    if (auto invalid = name_rule("counts.name", count.name, 100)) return invalid;
    if (auto invalid = rules::between("counts.count", count.count, 0, std::numeric_limits<std::int64_t>::max()))
      return invalid;
  }
  return std::nullopt;
}

std::optional<InvalidField> validate(GdprAuditPruned const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::time("older_than", event.older_than)) return invalid;
  if (auto invalid = rules::between("rows", event.rows, 0, std::numeric_limits<std::int64_t>::max())) return invalid;
  return rules::between("held", event.held, 0, std::numeric_limits<std::int64_t>::max());
}

std::optional<InvalidField> validate(GdprLedgerRecorded const& event) {
  if (auto invalid = rules::between("sequence", event.sequence, 1, std::numeric_limits<std::int64_t>::max()))
    return invalid;
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::one_of(
          "kind", event.kind,
          {"erasures", "gdpr_requests", "suppressions", "legal_holds", "consents", "subject_keys", "identity_links"}))
    return invalid;
  return rules::time("recorded_at", event.recorded_at);
}

}  // namespace omnibus

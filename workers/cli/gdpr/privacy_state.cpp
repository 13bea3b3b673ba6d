#include "workers/cli/gdpr/privacy_state.hpp"

#include "postgres/rows.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct SealedArchive {
  std::string request_id, key_id, sha256_hex;
  std::int64_t size = 0;
  pqxx::bytes wrapped_key;
};
BOOST_DESCRIBE_STRUCT(SealedArchive, (), (request_id, key_id, sha256_hex, size, wrapped_key))

std::int64_t count(pqxx::transaction_base& transaction, char const* query) {
  return transaction.exec(query).one_field().as<std::int64_t>();
}

std::int64_t count_unopened(pqxx::transaction_base& transaction, privacy::ArchiveKeys const& keys) {
  std::int64_t unopened = 0;
  for (auto const& archive : postgres::read<SealedArchive>(
           transaction,
           "SELECT request_id, key_id, encode(sha256, 'hex') AS sha256_hex, size, wrapped_key FROM gdpr_archives"
           " WHERE used_at IS NULL AND expires_at > now()")) {
    privacy::WrappedKey const wrapped{
        archive.key_id,
        std::string{reinterpret_cast<char const*>(archive.wrapped_key.data()), archive.wrapped_key.size()}};
    auto const binding = privacy::archive_binding(archive.request_id, archive.size, archive.sha256_hex);
    if (!keys.unwrap(wrapped, binding)) ++unopened;
  }
  return unopened;
}

}  // namespace

PrivacyState read_privacy_state(pqxx::transaction_base& transaction, privacy::ArchiveKeys const& keys) {
  PrivacyState state;
  state.late_requests = count(transaction,
                              "SELECT count(*) FROM gdpr_requests WHERE status IN ('received', 'running')"
                              " AND created_at < now() - interval '24 hours'");
  state.failed_requests = count(transaction,
                                "SELECT count(*) FROM gdpr_requests WHERE status = 'failed'"
                                " AND updated_at > now() - interval '30 days'");
  state.deletions_of_nothing =
      count(transaction,
            "SELECT count(*) FROM gdpr_requests WHERE kind = 'delete' AND status = 'completed' AND NOT dry_run"
            " AND completed_at > now() - interval '30 days'"
            " AND NOT counts @? '$.** ? (@.type() == \"number\" && @ > 0)'");
  auto const pruned =
      transaction
          .exec(
              "SELECT extract(epoch FROM now() - max(finished_at)) / 86400 FROM"
              " pipeline.maintenance_runs WHERE name IN ('gdpr-audit', 'prune-gdpr-audit-log') AND state = 'finished'")
          .one_field();
  if (!pruned.is_null()) state.prune_age_days = pruned.as<double>();
  // An installation younger than that has had no reason to prune yet.
  state.prune_is_late =
      state.prune_age_days
          ? *state.prune_age_days > 8
          : count(transaction, "SELECT count(*) FROM tenants WHERE created_at < now() - interval '8 days'") > 0;
  state.unopened_archives = count_unopened(transaction, keys);
  state.unpublished_entries = count(transaction,
                                    "SELECT count(*) FROM pipeline.ledger WHERE published_at IS NULL"
                                    " AND recorded_at < now() - interval '5 minutes'");
  if (state.late_requests > 0)
    state.alarms.push_back(
        fmt::format("{} requests are older than 24 hours: omnibus gdpr requests shows them", state.late_requests));
  if (state.prune_is_late)
    state.alarms.push_back("the audit log was not pruned for 8 days: is omnibus-scheduler running, and omnibus-gdpr?");
  if (state.unopened_archives > 0)
    state.alarms.push_back(
        fmt::format("{} archives do not open: PII_MASTER_KEY or PROFILE_KEY_SECRET is another than in the gdpr worker",
                    state.unopened_archives));
  if (state.unpublished_entries > 0)
    state.alarms.push_back(
        fmt::format("{} entries of the ledger of erasures are not published, and would be lost with the database: is "
                    "omnibus-relay running?",
                    state.unpublished_entries));
  return state;
}

}  // namespace omnibus::cli

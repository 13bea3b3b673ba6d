#include "privacy/archives.hpp"

#include "postgres/rows.hpp"

#include <pqxx/pqxx>

namespace omnibus::privacy {
namespace {

struct ArchiveRow {
  bool done = false;
  std::optional<Uuid> archive_id;
  std::optional<std::int64_t> size;
  std::optional<std::string> sha256_hex, key_id, wrapped_hex;
  bool fetchable = false, settling = false;
};
BOOST_DESCRIBE_STRUCT(ArchiveRow, (), (done, archive_id, size, sha256_hex, key_id, wrapped_hex, fetchable, settling))

ArchiveState state_of(ArchiveRow const& row) {
  if (!row.done) return ArchiveState::pending;
  if (row.fetchable) return ArchiveState::ready;
  return row.settling ? ArchiveState::settling : ArchiveState::gone;
}

std::string bytes_of_hex(std::string_view hex) {
  auto const value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(value(hex[i]) * 16 + value(hex[i + 1]));
  return bytes;
}

}  // namespace

FoundArchive find_archive(pqxx::transaction_base& transaction, std::string_view domain, Uuid const& request_id) {
  auto const row = postgres::read_optional<ArchiveRow>(
      transaction,
      "SELECT r.status = 'completed' AS done, a.archive_id, a.size, encode(a.sha256, 'hex') AS sha256_hex, a.key_id,"
      " encode(a.wrapped_key, 'hex') AS wrapped_hex,"
      " COALESCE(a.used_at IS NULL AND a.expires_at > now(), false) AS fetchable,"
      " COALESCE(a.used_at > now() - interval '2 seconds', false) AND EXISTS (SELECT FROM gdpr_archive_parts p"
      " WHERE p.archive_id = a.archive_id) AS settling"
      " FROM gdpr_requests r LEFT JOIN gdpr_archives a ON a.request_id = r.id"
      " WHERE r.id = $1::uuid AND r.domain = $2 AND r.kind = 'export'",
      pqxx::params{to_string(request_id), domain});
  if (!row) return {};
  FoundArchive found;
  found.state = state_of(*row);
  if (found.state != ArchiveState::ready) return found;
  found.archive_id = row->archive_id.value();
  found.size = row->size.value();
  found.sha256_hex = row->sha256_hex.value();
  found.key = {row->key_id.value(), bytes_of_hex(row->wrapped_hex.value())};
  return found;
}

bool is_admin_now(pqxx::transaction_base& transaction, Uuid const& principal) {
  return transaction
      .exec("SELECT EXISTS (SELECT FROM principals WHERE id = $1::uuid AND role = 'admin' AND disabled_at IS NULL)",
            pqxx::params{to_string(principal)})
      .one_field()
      .as<bool>();
}

std::optional<std::string> read_archive_part(pqxx::transaction_base& transaction, Uuid const& archive_id,
                                             std::int64_t number) {
  auto const rows = transaction.exec("SELECT bytes FROM gdpr_archive_parts WHERE archive_id = $1::uuid AND part = $2",
                                     pqxx::params{to_string(archive_id), number});
  if (rows.empty()) return std::nullopt;
  auto const bytes = rows.one_row()[0].as<pqxx::bytes>();
  return std::string{reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

bool use_archive(pqxx::transaction_base& transaction, Uuid const& request_id) {
  return transaction
             .exec(
                 "UPDATE gdpr_archives SET used_at = now()"
                 " WHERE request_id = $1::uuid AND used_at IS NULL AND expires_at > now()",
                 pqxx::params{to_string(request_id)})
             .affected_rows() == 1;
}

void give_archive_back(pqxx::transaction_base& transaction, Uuid const& request_id) {
  transaction.exec("UPDATE gdpr_archives SET used_at = NULL WHERE request_id = $1::uuid",
                   pqxx::params{to_string(request_id)});
}

void drop_archive_parts(pqxx::transaction_base& transaction, Uuid const& archive_id) {
  transaction.exec("DELETE FROM gdpr_archive_parts WHERE archive_id = $1::uuid", pqxx::params{to_string(archive_id)});
}

}  // namespace omnibus::privacy

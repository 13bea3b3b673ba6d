#include "postgres/binary_copy.hpp"

#include <chrono>
#include <memory>

#include <libpq-fe.h>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

using namespace std::string_view_literals;
using Milliseconds = std::chrono::milliseconds;

constexpr auto header = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"sv;  // no flags, no extension
constexpr auto trailer = "\377\377"sv;
constexpr std::size_t piece = 1 << 20;
constexpr Milliseconds epoch{946'684'800'000};  // the 1st of January 2000, where PostgreSQL counts from

// libpqxx copies as text only and keeps its connection to itself; an explicit instantiation may name what is private.
PGconn* raw(pqxx::connection const& connection);
template <auto member>
struct Reach {
  friend PGconn* raw(pqxx::connection const& connection) { return (connection.*member)(); }
};
template struct Reach<&pqxx::connection::raw_connection>;

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

bool send(PGconn* connection, std::string_view bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    if (PQputCopyData(connection, bytes.data(), static_cast<int>(std::min(piece, bytes.size()))) != 1) return false;
  return true;
}

[[noreturn]] void fail(std::string const& what, std::string const& sql, PGresult const* result) {
  auto const* const state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) throw pqxx::broken_connection{what};
  if (state == "23505"sv) throw pqxx::unique_violation{what, sql, state};
  throw pqxx::sql_error{what, sql, state};
}

}  // namespace

BinaryRows::BinaryRows(std::size_t bytes) {
  bytes_.reserve(bytes + header.size());
  bytes_ = header;
}

void BinaryRows::put(std::string_view text) {
  put_number(static_cast<std::int32_t>(text.size()));
  bytes_ += text;
}

void BinaryRows::put(Uuid const& uuid) {
  put({reinterpret_cast<char const*>(uuid.bytes.data()), uuid.bytes.size()});
}

void BinaryRows::put(Timestamp time) {
  put(static_cast<std::int64_t>(std::chrono::microseconds{Milliseconds{time.ms} - epoch}.count()));
}

void BinaryRows::put(Date date) {
  put(static_cast<std::int32_t>(std::chrono::floor<std::chrono::days>(Milliseconds{date.ms} - epoch).count()));
}

void BinaryRows::put(Nano decimal) {
  constexpr int digits = 6;  // to the base 10,000: three before the point and three behind it
  constexpr std::int64_t billion = 1'000'000'000;
  auto const negative = decimal.count < 0;
  auto whole = decimal.count / billion * (negative ? -1 : 1);
  auto fraction = decimal.count % billion * (negative ? -1000 : 1000);
  std::int16_t groups[digits];
  for (int i = 0; i < 3; ++i, whole /= 10'000) groups[2 - i] = static_cast<std::int16_t>(whole % 10'000);
  for (int i = 0; i < 3; ++i, fraction /= 10'000) groups[5 - i] = static_cast<std::int16_t>(fraction % 10'000);
  put_number(static_cast<std::int32_t>(4 * sizeof(std::int16_t) + sizeof groups));
  put_number(static_cast<std::int16_t>(digits));
  put_number(std::int16_t{2});  // the first counts 10,000²
  put_number(static_cast<std::int16_t>(negative ? 0x4000 : 0));
  put_number(std::int16_t{9});  // places shown
  for (auto const group : groups) put_number(group);
}

void copy_binary(pqxx::transaction_base& transaction, std::string_view target, BinaryRows const& rows) {
  std::string sql = "COPY ";
  sql += target;
  sql += " FROM STDIN (FORMAT binary)";
  transaction.exec(sql);
  auto* const connection = raw(transaction.conn());
  auto const sent =
      send(connection, rows.bytes()) && send(connection, trailer) && PQputCopyEnd(connection, nullptr) == 1;
  std::string error = sent ? "" : PQerrorMessage(connection);
  Result failed;
  while (Result result{PQgetResult(connection)}) {
    auto const status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN) break;  // it could not be told that this is the end: the connection is gone
    if (status == PGRES_COMMAND_OK || failed) continue;
    error = PQresultErrorMessage(result.get());
    failed = std::move(result);
  }
  if (!sent || failed) fail(error, sql, failed.get());
}

}  // namespace omnibus::postgres

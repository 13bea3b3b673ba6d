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
constexpr Milliseconds epoch{946'684'800'000};  // the 1st of January 2000, where PostgreSQL counts from

// libpqxx copies as text only and keeps its connection private; an explicit instantiation may name private members.
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

[[noreturn]] void fail(std::string const& what, std::string const& sql, PGresult const* result) {
  auto const* const state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) throw pqxx::broken_connection{what};
  if (state == "23505"sv) throw pqxx::unique_violation{what, sql, state};
  throw pqxx::sql_error{what, sql, state};
}

}  // namespace

BinaryCopy::BinaryCopy(pqxx::transaction_base& transaction, std::string_view target)
    : connection_{raw(transaction.conn())}, sql_{"COPY "} {
  sql_ += target;
  sql_ += " FROM STDIN (FORMAT binary)";
  transaction.exec(sql_);
  bytes_.reserve(piece + piece / 8);
  bytes_ = header;
}

BinaryCopy::~BinaryCopy() {
  if (ended_) return;
  PQputCopyEnd(connection_, "given up");
  while (Result const result{PQgetResult(connection_)})
    if (PQresultStatus(result.get()) == PGRES_COPY_IN) break;
}

void BinaryCopy::send() {
  sent_ = sent_ && PQputCopyData(connection_, bytes_.data(), static_cast<int>(bytes_.size())) == 1;
  bytes_.clear();
}

void BinaryCopy::complete() {
  bytes_ += trailer;
  send();
  sent_ = sent_ && PQputCopyEnd(connection_, nullptr) == 1;
  ended_ = true;
  std::string error = sent_ ? "" : PQerrorMessage(connection_);
  Result failed;
  while (Result result{PQgetResult(connection_)}) {
    auto const status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN) break;  // the end could not be sent: the connection is lost
    if (status == PGRES_COMMAND_OK || failed) continue;
    error = PQresultErrorMessage(result.get());
    failed = std::move(result);
  }
  if (!sent_ || failed) fail(error, sql_, failed.get());
}

void BinaryCopy::put(std::string_view text) {
  put_number(static_cast<std::int32_t>(text.size()));
  bytes_ += text;
}

void BinaryCopy::put(Uuid const& uuid) {
  put({reinterpret_cast<char const*>(uuid.bytes.data()), uuid.bytes.size()});
}

void BinaryCopy::put(Timestamp time) {
  put(static_cast<std::int64_t>(std::chrono::microseconds{Milliseconds{time.ms} - epoch}.count()));
}

void BinaryCopy::put(Date date) {
  put(static_cast<std::int32_t>(std::chrono::floor<std::chrono::days>(Milliseconds{date.ms} - epoch).count()));
}

void BinaryCopy::put(Nano decimal) {
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

}  // namespace omnibus::postgres

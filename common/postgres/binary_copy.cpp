#include "postgres/binary_copy.hpp"

#include <algorithm>
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
  bytes_.resize(piece);
  std::ranges::copy(header, bytes_.begin());
  used_ = header.size();
}

BinaryCopy::~BinaryCopy() {
  if (ended_) return;
  PQputCopyEnd(connection_, "given up");
  while (Result const result{PQgetResult(connection_)})
    if (PQresultStatus(result.get()) == PGRES_COPY_IN) break;
}

void BinaryCopy::send() {
  auto const* const bytes = reinterpret_cast<char const*>(bytes_.data());
  sent_ = sent_ && PQputCopyData(connection_, bytes, static_cast<int>(used_)) == 1;
  used_ = 0;
}

void BinaryCopy::make_room(std::size_t size) {
  send();
  if (size > bytes_.size()) bytes_.resize(size);
}

void BinaryCopy::complete() {
  if (used_ + trailer.size() > bytes_.size()) make_room(trailer.size());
  std::ranges::copy(trailer, bytes_.data() + used_);
  used_ += trailer.size();
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

unsigned char* BinaryCopy::put(unsigned char* at, Timestamp time) {
  return put(at, static_cast<std::int64_t>(std::chrono::microseconds{Milliseconds{time.ms} - epoch}.count()));
}

unsigned char* BinaryCopy::put(unsigned char* at, Date date) {
  return put(at,
             static_cast<std::int32_t>(std::chrono::floor<std::chrono::days>(Milliseconds{date.ms} - epoch).count()));
}

unsigned char* BinaryCopy::put(unsigned char* at, Nano decimal) {
  constexpr int digits = 6;  // to the base 10,000: three before the point and three behind it
  constexpr std::int64_t billion = 1'000'000'000;
  auto const negative = decimal.count < 0;
  auto whole = decimal.count / billion * (negative ? -1 : 1);
  auto fraction = decimal.count % billion * (negative ? -1000 : 1000);
  std::int16_t groups[digits];
  for (int i = 0; i < 3; ++i, whole /= 10'000) groups[2 - i] = static_cast<std::int16_t>(whole % 10'000);
  for (int i = 0; i < 3; ++i, fraction /= 10'000) groups[5 - i] = static_cast<std::int16_t>(fraction % 10'000);
  at = put_number(at, static_cast<Length>(4 * sizeof(std::int16_t) + sizeof groups));
  at = put_number(at, static_cast<std::int16_t>(digits));
  at = put_number(at, std::int16_t{2});  // the first counts 10,000²
  at = put_number(at, static_cast<std::int16_t>(negative ? 0x4000 : 0));
  at = put_number(at, std::int16_t{9});  // places shown
  for (auto const group : groups) at = put_number(at, group);
  return at;
}

}  // namespace omnibus::postgres

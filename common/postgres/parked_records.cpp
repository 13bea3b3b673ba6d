#include "postgres/parked_records.hpp"

#include "postgres/outbox.hpp"
#include "postgres/rows.hpp"

#include <string_view>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

struct ParkedRow {
  std::string topic;
  std::optional<pqxx::bytes> key;
  pqxx::bytes headers;
  std::optional<pqxx::bytes> value;
};
BOOST_DESCRIBE_STRUCT(ParkedRow, (), (topic, key, headers, value))

std::optional<pqxx::bytes_view> bytes_of(std::optional<std::string> const& text) {
  return text ? std::optional{pqxx::binary_cast(*text)} : std::nullopt;
}

std::string text_in(pqxx::bytes const& bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::optional<std::string> text_in(std::optional<pqxx::bytes> const& bytes) {
  return bytes ? std::optional{text_in(*bytes)} : std::nullopt;
}

}  // namespace

void park_record(pqxx::transaction_base& transaction, Uuid const& letter_id, kafka::Record const& record,
                 std::vector<std::string> const& subjects) {
  auto const headers = encode_headers(record.headers);
  transaction.exec(
      "INSERT INTO pipeline.parked_records (letter_id, topic, key, headers, value, subjects) VALUES ($1::uuid, $2, $3, "
      "$4, $5, $6::text[])",
      pqxx::params{to_string(letter_id), record.topic, bytes_of(record.key), pqxx::binary_cast(headers),
                   bytes_of(record.value), subjects});
}

std::optional<kafka::Record> parked_record(pqxx::transaction_base& transaction, Uuid const& letter_id) {
  auto const rows = read<ParkedRow>(
      transaction.exec("SELECT topic, key, headers, value FROM pipeline.parked_records WHERE letter_id = $1::uuid",
                       pqxx::params{to_string(letter_id)}));
  if (rows.empty()) return std::nullopt;
  auto const& row = rows.front();
  return kafka::Record{row.topic, text_in(row.key), text_in(row.value), decode_headers(text_in(row.headers)), {}};
}

void remove_parked(pqxx::transaction_base& transaction, Uuid const& letter_id) {
  transaction.exec("DELETE FROM pipeline.parked_records WHERE letter_id = $1::uuid",
                   pqxx::params{to_string(letter_id)});
}

}  // namespace omnibus::postgres

/// Writes rows into a table by COPY in PostgreSQL's binary format, which needs no conversion to or from text.
#pragma once

#include "uuid/uuid.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct pg_conn;

namespace pqxx {
class transaction_base;
}

namespace omnibus::postgres {

/// A timestamptz, in ms since 1970.
struct Timestamp {
  std::int64_t ms;
};

/// The date (UTC) of a time in ms since 1970.
struct Date {
  std::int64_t ms;
};

/// A numeric, in billionths.
struct Nano {
  std::int64_t count;
};

/// One COPY. Rows are sent to the server while later ones are still being added. Between the construction and
/// complete() the transaction cannot be used for anything else.
///
/// Each value must have exactly the type of its column: bool, int32_t for int, int64_t for bigint, text, Uuid,
/// Timestamp, Date, Nano for numeric, and an optional of these if it may be null.
class BinaryCopy {
 public:
  /// @param target `table (column, ...)` or `table`, as SQL
  BinaryCopy(pqxx::transaction_base& transaction, std::string_view target);
  BinaryCopy(BinaryCopy const&) = delete;
  BinaryCopy& operator=(BinaryCopy const&) = delete;
  /// Without complete(), the COPY fails, and the transaction with it.
  ~BinaryCopy();

  template <class... Values>
  void add(Values const&... values) {
    put_number(static_cast<std::int16_t>(sizeof...(Values)));
    (put(values), ...);
    if (bytes_.size() >= piece) send();
  }
  /// @throws pqxx::unique_violation, and else as libpqxx does
  void complete();

 private:
  template <class Number>
  void put_number(Number number) {
    char digits[sizeof number];
    for (auto i = sizeof number; i-- > 0; number = static_cast<Number>(number >> 7 >> 1))
      digits[i] = static_cast<char>(number & 0xff);
    bytes_.append(digits, sizeof digits);
  }
  template <class Number>
  void put_value(Number number) {
    put_number(static_cast<std::int32_t>(sizeof number));
    put_number(number);
  }

  void put(bool value) { put_value(static_cast<std::int8_t>(value ? 1 : 0)); }
  void put(std::int32_t value) { put_value(value); }
  void put(std::int64_t value) { put_value(value); }
  void put(std::string_view text);
  void put(Uuid const& uuid);
  void put(Timestamp time);
  void put(Date date);
  void put(Nano decimal);
  template <class Value>
  void put(std::optional<Value> const& value) {
    if (value)
      put(*value);
    else
      put_number(std::int32_t{-1});
  }

  void send();

  static constexpr std::size_t piece = 64 * 1024;

  pg_conn* connection_;
  std::string sql_;
  std::string bytes_;
  bool sent_ = true;
  bool ended_ = false;
};

}  // namespace omnibus::postgres

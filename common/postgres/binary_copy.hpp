/// Writes rows into a table by COPY in PostgreSQL's binary format, which needs no conversion to or from text.
#pragma once

#include "uuid/uuid.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/endian/conversion.hpp>

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
/// Each value must have exactly the type of its column: bool, int32_t for int, int64_t for bigint, text or bytea, Uuid,
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
    auto const most = sizeof(std::int16_t) + (room_for(values) + ... + 0);
    if (used_ + most > bytes_.size()) make_room(most);
    auto* at = put_number(bytes_.data() + used_, static_cast<std::int16_t>(sizeof...(Values)));
    ((at = put(at, values)), ...);
    used_ = static_cast<std::size_t>(at - bytes_.data());
  }
  /// @throws pqxx::unique_violation, and else as libpqxx does
  void complete();

 private:
  using Length = std::int32_t;

  /// As the network has it. Writes at `at` and returns the end, as all of these do.
  template <class Number>
  static unsigned char* put_number(unsigned char* at, Number number) {
    boost::endian::endian_store<Number, sizeof number, boost::endian::order::big>(at, number);
    return at + sizeof number;
  }
  template <class Number>
  static unsigned char* put_value(unsigned char* at, Number number) {
    return put_number(put_number(at, static_cast<Length>(sizeof number)), number);
  }
  static unsigned char* put_bytes(unsigned char* at, void const* bytes, std::size_t size) {
    return std::copy_n(static_cast<unsigned char const*>(bytes), size, put_number(at, static_cast<Length>(size)));
  }

  static unsigned char* put(unsigned char* at, bool value) {
    return put_value(at, static_cast<std::int8_t>(value ? 1 : 0));
  }
  static unsigned char* put(unsigned char* at, std::int32_t value) { return put_value(at, value); }
  static unsigned char* put(unsigned char* at, std::int64_t value) { return put_value(at, value); }
  static unsigned char* put(unsigned char* at, std::string_view text) {
    return put_bytes(at, text.data(), text.size());
  }
  static unsigned char* put(unsigned char* at, Uuid const& uuid) {
    return put_bytes(at, uuid.bytes.data(), uuid.bytes.size());
  }
  static unsigned char* put(unsigned char* at, Timestamp time);
  static unsigned char* put(unsigned char* at, Date date);
  static unsigned char* put(unsigned char* at, Nano decimal);
  template <class Value>
  static unsigned char* put(unsigned char* at, std::optional<Value> const& value) {
    return value ? put(at, *value) : put_number(at, Length{-1});
  }

  /// The most bytes that put() takes.
  template <class Value>
  static std::size_t room_for(Value const& value) {
    if constexpr (std::is_convertible_v<Value const&, std::string_view>)
      return sizeof(Length) + std::string_view{value}.size();
    else
      return longest_number;
  }
  template <class Value>
  static std::size_t room_for(std::optional<Value> const& value) {
    return value ? room_for(*value) : sizeof(Length);
  }

  void make_room(std::size_t size);
  void send();

  static constexpr std::size_t piece = 64 * 1024;
  static constexpr std::size_t longest_number = sizeof(Length) + 20;  ///< a numeric of six digits

  pg_conn* connection_;
  std::string sql_;
  std::vector<unsigned char> bytes_;
  std::size_t used_ = 0;
  bool sent_ = true;
  bool ended_ = false;
};

}  // namespace omnibus::postgres

#pragma once

#include "json/raw.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::json_test {

struct Item {
  std::string name;
  double price = 0;
};
BOOST_DESCRIBE_STRUCT(Item, (), (name, price))

struct Base {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Base, (), (text))

/// One member of each kind there is.
struct Sample : Base {
  bool flag = false;
  std::int32_t small = 0;
  std::int64_t large = 0;
  double number = 0;
  Uuid id;
  std::optional<std::string> note;
  std::optional<Item> item;
  std::vector<Item> items;
  std::vector<std::optional<std::int64_t>> counts;
  std::optional<json::Raw> raw;
};
BOOST_DESCRIBE_STRUCT(Sample, (Base), (flag, small, large, number, id, note, item, items, counts, raw))

/// A struct of one member, for the many tests that need no more.
struct Text {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Text, (), (text))

}  // namespace omnibus::json_test

// Reads lines of JSON, {"schema": ..., "question": "...", "seed": N}, and prints a structured answer to each.
#include "compose/simulator/structured/structured.hpp"

#include <iostream>
#include <string>

#include <boost/json.hpp>

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    boost::json::parse_options parsing;
    parsing.max_depth = 256;
    auto const asked = boost::json::parse(line, {}, parsing);
    auto const question = std::string(asked.at("question").as_string());
    auto const value =
        omnibus::simulator::structured_value(asked.at("schema"), question, asked.at("seed").to_number<std::uint64_t>());
    std::cout << boost::json::serialize(value) << '\n';
  }
}

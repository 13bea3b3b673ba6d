#include "compose/simulator/structured/prompt_data.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus::simulator;

TEST_CASE("the data of a prompt are the texts in its blocks of JSON") {
  CHECK(
      texts_of_data(
          R"(Judge {this}: [{"id": "3f2b-11", "speaker": "agent_a", "message": "I can weld gates."}] and {"seeks": ["welding"]}.)") ==
      "I can weld gates.\nwelding\n");
  CHECK(texts_of_data("Say hello.").empty());
  CHECK(texts_of_data(R"({"cut": "off)").empty());
  CHECK(texts_of_data("").empty());
}

TEST_CASE("many brackets cost little, and deep ones end") {
  CHECK(texts_of_data(std::string(100'000, '[')).empty());
  CHECK(texts_of_data(std::string(100'000, '{')).empty());
}

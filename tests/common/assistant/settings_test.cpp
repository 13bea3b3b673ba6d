#include "assistant/settings.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using assistant::ModelSettings;

namespace {

std::string key_of(config::Values const& environment) {
  return config::load<ModelSettings>(environment).api_key().reveal();
}

}  // namespace

TEST_CASE("the model's key is LLM_API_KEY, or OPENAI_API_KEY where that is not set") {
  CHECK(key_of({{"LLM_API_KEY", "ours"}}) == "ours");
  CHECK(key_of({{"OPENAI_API_KEY", "openai's"}}) == "openai's");
  CHECK(key_of({{"LLM_API_KEY", "ours"}, {"OPENAI_API_KEY", "openai's"}}) == "ours");
  CHECK(key_of({{"LLM_API_KEY", ""}, {"OPENAI_API_KEY", "openai's"}}) == "openai's");
  CHECK(key_of({}).empty());
}

TEST_CASE("neither key is printed") {
  ModelSettings settings;
  config::Catalogue catalogue;
  catalogue.add(settings);
  catalogue.load({{"LLM_API_KEY", "canary-ours"}, {"OPENAI_API_KEY", "canary-openai"}});
  auto const printed = catalogue.print();
  CHECK(printed.find("canary") == std::string::npos);
  CHECK(printed.find("OPENAI_API_KEY=********\n") != std::string::npos);
}

// The runbook names commands and options that exist.
#include "workers/cli/commands.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

/// The commands of a document's code, as words.
std::vector<std::vector<std::string>> commands_in(std::string const& text) {
  std::vector<std::vector<std::string>> commands;
  std::regex const command{R"((?:^|`)omnibus ([^`#\n]+))", std::regex::multiline};
  for (auto found = std::sregex_iterator{text.begin(), text.end(), command}; found != std::sregex_iterator{}; ++found) {
    std::istringstream words{(*found)[1].str()};
    auto& one = commands.emplace_back();
    for (std::string word; words >> word;) one.push_back(word);
  }
  return commands;
}

bool is_placeholder(std::string const& word) {
  return std::ranges::none_of(word, [](unsigned char c) { return std::islower(c) != 0; });
}

std::string help_of(std::vector<std::string> words) {
  words.insert(words.begin(), "omnibus");
  words.push_back("--help");
  std::vector<char const*> arguments;
  for (auto const& word : words) arguments.push_back(word.c_str());
  std::ostringstream out, err;
  CHECK(omnibus::cli::run(static_cast<int>(arguments.size()), arguments.data(), out, err) == 0);
  return out.str() + err.str();
}

}  // namespace

TEST_CASE("every command and option of the GDPR runbook exists") {
  std::ifstream file{OMNIBUS_SOURCE_DIR "/compose/runbooks/GDPR_AUDIT_RUNBOOK.md"};
  std::ostringstream text;
  text << file.rdbuf();
  auto const commands = commands_in(text.str());
  CHECK(commands.size() > 20);
  for (auto const& words : commands) {
    auto const end = std::ranges::find_if(
        words, [](std::string const& word) { return word.starts_with("--") || is_placeholder(word); });
    std::vector<std::string> path{words.begin(), end};
    if (path.size() > 2 && path[1] == "prune") path.resize(2);  // the name of a run
    auto const help = help_of(path);
    std::string usage = "Usage: omnibus";
    for (auto const& word : path) usage += " " + word;
    CAPTURE(usage);
    CHECK(help.find(usage) != std::string::npos);
    for (auto word = end; word != words.end(); ++word) {
      if (!word->starts_with("--")) continue;
      CAPTURE(*word);
      CHECK(help.find(*word) != std::string::npos);
    }
  }
}

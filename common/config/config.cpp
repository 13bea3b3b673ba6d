#include "config/config.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace omnibus::config {
namespace {

std::string_view trimmed(std::string_view text) {
  auto const blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return text;
  return text.front() == '"' || text.front() == '\'' ? text.substr(1, text.size() - 2) : text;
}

std::string given(Values const& values, std::string const& name) {
  auto const found = values.find(name);
  return found == values.end() ? std::string() : found->second;
}

/// Writes each line of a problem under the program's name.
void complain(Program const& program, std::string_view problem, std::ostream& err) {
  while (!problem.empty()) {
    auto const end = std::min(problem.find('\n'), problem.size());
    err << program.name << ": " << problem.substr(0, end) << '\n';
    problem.remove_prefix(std::min(end + 1, problem.size()));
  }
}

}  // namespace

namespace detail {

std::string upper(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return text;
}

}  // namespace detail

Values environment() {
  Values values;
  for (auto const* entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view const text(*entry);
    auto const equals = text.find('=');
    if (equals != std::string_view::npos) values.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return values;
}

Values read_file(std::string const& path) {
  std::ifstream file(path);
  if (!file) throw ConfigError(fmt::format("{}: cannot be read; give --config a file of KEY=VALUE lines", path));
  Values values;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    auto text = trimmed(line);
    if (text.empty() || text.front() == '#') continue;
    if (text.starts_with("export ")) text = trimmed(text.substr(7));
    auto const equals = text.find('=');
    auto const key = trimmed(text.substr(0, equals));
    if (equals == std::string_view::npos || key.empty()) {
      throw ConfigError(fmt::format("{}:{}: is not KEY=VALUE", path, number));
    }
    auto const [place, fresh] = values.emplace(key, unquoted(trimmed(text.substr(equals + 1))));
    if (!fresh) throw ConfigError(fmt::format("{}:{}: {} is given twice", path, number, place->first));
  }
  return values;
}

void Catalogue::insert(Setting setting) {
  auto const same = [&](Setting const& other) { return other.name == setting.name; };
  if (std::any_of(settings_.begin(), settings_.end(), same)) {
    throw std::logic_error("two settings are named " + setting.name);
  }
  settings_.push_back(std::move(setting));
}

void Catalogue::load(Values const& environment, Values const& file) {
  std::string problems;
  auto const complain = [&](std::string const& problem) { problems += (problems.empty() ? "" : "\n") + problem; };
  std::set<std::string_view> known;
  for (auto const& setting : settings_) {
    known.insert(setting.name);
    auto text = given(environment, setting.name);
    if (text.empty()) text = given(file, setting.name);
    if (text.empty()) continue;
    try {
      setting.assign(text);
    } catch (ValueError const& error) {
      auto const got = setting.secret ? std::string() : fmt::format(", got {}", text);
      complain(fmt::format("{}: {}{}; set {}", setting.name, error.what(), got, setting.name));
    }
  }
  for (auto const& [name, text] : file) {
    if (!known.contains(name))
      complain(fmt::format("{}: no such setting; take it out of the file, or see --help", name));
  }
  if (!problems.empty()) throw ConfigError(problems);
}

std::string Catalogue::help() const {
  std::size_t name_width = 0;
  std::size_t default_width = 0;
  for (auto const& setting : settings_) {
    name_width = std::max(name_width, setting.name.size());
    default_width = std::max(default_width, setting.default_text.size());
  }
  default_width = std::min<std::size_t>(default_width, 32);
  std::string text;
  for (auto const& setting : settings_) {
    auto const shown = setting.default_text.empty() ? "-" : setting.default_text;
    text += fmt::format("  {:{}}  {:{}}", setting.name, name_width, shown, default_width);
    if (shown.size() > default_width) text += fmt::format("\n{:{}}", "", 4 + name_width + default_width);
    text += fmt::format("  {}\n", setting.help);
  }
  return text;
}

std::string Catalogue::print() const {
  std::string text;
  for (auto const& setting : settings_) text += fmt::format("{}={}\n", setting.name, setting.show());
  return text;
}

std::optional<int> configure(Program const& program, Catalogue& catalogue, int argc, char const* const* argv,
                             std::ostream& out, std::ostream& err, Values const& environment) {
  CLI::App application{fmt::format("{}: {}", program.name, program.summary), std::string{program.name}};
  std::string file;
  bool print = false;
  application.set_help_flag("-h,--help", "Print this and end");
  application.set_version_flag("--version", fmt::format("{} {}", program.name, program.version),
                               "Print the version and end");
  application.add_flag("--print-config", print, "Print the effective settings, secrets masked, and end");
  application.add_option("--config", file, "Read settings from KEY=VALUE lines; the environment wins over the file")
      ->type_name("FILE")
      ->take_last();
  try {
    if (program.add_options) program.add_options(application);
    application.parse(argc, argv);
    catalogue.load(environment, file.empty() ? Values{} : read_file(file));
    if (!print) return std::nullopt;
    out << catalogue.print();
    return 0;
  } catch (CLI::CallForHelp const&) {
    out << application.help() << "\nSettings, from the environment (name, default, meaning):\n" << catalogue.help();
    return 0;
  } catch (CLI::CallForVersion const& version) {
    out << version.what() << '\n';
    return 0;
  } catch (CLI::ExtrasError const&) {
    complain(program, fmt::format("{}: no such option; see --help", application.remaining().front()), err);
  } catch (CLI::ValidationError const& error) {
    complain(program, error.what(), err);
  } catch (CLI::ParseError const& error) {
    complain(program, fmt::format("{}; see --help", error.what()), err);
  } catch (ConfigError const& error) {
    complain(program, error.what(), err);
  }
  return 2;
}

std::optional<int> configure(Program const& program, Catalogue& catalogue, int argc, char const* const* argv) {
  return configure(program, catalogue, argc, argv, std::cout, std::cerr, environment());
}

}  // namespace omnibus::config

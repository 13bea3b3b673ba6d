/// Settings of a process, declared once.
///
/// A group of settings is a described struct. Its member initialisers are the defaults; a `docs` table beside the
/// members gives each one's meaning and bounds:
/// ```
/// struct LimitSettings {
///   int max_in_flight = 1000;
///   std::chrono::milliseconds drain{10000};
///   static constexpr std::array docs{
///       config::Doc{"max_in_flight", "Events handled at once", 1, 1'000'000},
///       config::Doc{"drain", "How long a stop may take"},
///   };
/// };
/// BOOST_DESCRIBE_STRUCT(LimitSettings, (), (max_in_flight, drain))
/// ```
/// Values come from the environment (`MAX_IN_FLIGHT`), then from `--config FILE` if the environment has none.
/// A member that is itself a group adds its name (`llm` with `base_url`: `LLM_BASE_URL`), or the text its type gives as
/// `static constexpr std::string_view prefix` ("" for none). A member of a base is a member.
#pragma once

#include "config/value.hpp"

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

namespace CLI {
class App;
}

namespace omnibus::config {

/// The meaning of one member. Bounds are inclusive, durations in seconds, sizes in bytes.
struct Doc {
  std::string_view member;
  std::string_view help;
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

/// Invalid settings. `what()` has one line for each problem, naming the setting to change.
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Texts by setting name.
using Values = std::map<std::string, std::string, std::less<>>;

/// The environment of this process.
Values environment();
/// `KEY=VALUE` lines, `#` comments, optional quotes and a leading `export`. @throws ConfigError.
Values read_file(std::string const& path);

/// Bound settings: every member of the groups added, by its external name. The groups must outlive it.
class Catalogue {
 public:
  /// Adds the members of `group`; their current values are the defaults that the help shows.
  template <class Group>
  void add(Group& group, std::string_view prefix = "");

  /// Sets each member that `file` or, with priority, `environment` gives. An empty text counts as not given.
  /// @throws ConfigError with all problems; the groups are then partly set.
  void load(Values const& environment, Values const& file = {});

  /// A table of name, default and meaning.
  std::string help() const;
  /// The effective values as `KEY=VALUE` lines, secrets masked.
  std::string print() const;

 private:
  struct Setting {
    std::string name;
    std::string help;
    std::string default_text;
    std::function<void(std::string_view)> assign;  ///< throws ValueError
    std::function<std::string()> show;
    bool secret = false;
  };
  void insert(Setting setting);

  template <class T>
  void add_member(T& member, std::string name, Doc const& doc);

  std::vector<Setting> settings_;
};

/// A process's name and purpose, for `--help` and `--version`.
struct Program {
  std::string_view name;
  std::string_view summary;
  std::string_view version = "0.1.0";
  /// Adds options to those that every process has. Their targets must outlive configure(); they reject a value with
  /// CLI::ValidationError.
  std::function<void(CLI::App&)> add_options = {};
};

/// The first step of main: reads the command line (`--help`, `--version`, `--print-config`, `--config FILE` and the
/// program's own options), then fills the catalogue from that file and the environment. Returns the exit status if
/// the process must end now: 0 after `--help`, `--version` or `--print-config` (written to `out`), 2 for invalid
/// settings or options (written to `err`).
std::optional<int> configure(Program const& program, Catalogue& catalogue, int argc, char const* const* argv,
                             std::ostream& out, std::ostream& err, Values const& environment);
/// The same with stdout, stderr and the environment of this process.
std::optional<int> configure(Program const& program, Catalogue& catalogue, int argc, char const* const* argv);

/// One group from the environment and an optional file, without a command line. @throws ConfigError.
template <class Group>
Group load(Values const& from = environment(), Values const& file = {}) {
  Group group;
  Catalogue catalogue;
  catalogue.add(group);
  catalogue.load(from, file);
  return group;
}

namespace detail {

std::string upper(std::string_view name);

template <class T>
using Members = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

template <class T>
concept Group = boost::describe::has_describe_members<T>::value && std::is_class_v<T>;

template <class T>
concept Prefixed = requires {
  std::string_view(T::prefix);
};

// By value: a pointer compared to null is no constant expression for GCC 12 under UBSan.
template <class T>
constexpr std::optional<Doc> find_doc(std::string_view member) {
  if constexpr (requires { T::docs; }) {
    for (auto const& doc : T::docs) {
      if (doc.member == member) return doc;
    }
  }
  return std::nullopt;
}

/// The doc of a member, looked for in T and in the base that declares it.
template <class T, class Member>
constexpr std::optional<Doc> doc_of() {
  std::optional<Doc> found = find_doc<T>(Member::name);
  boost::mp11::mp_for_each<boost::describe::describe_bases<T, boost::describe::mod_public>>([&](auto base) {
    if (!found) found = find_doc<typename decltype(base)::type>(decltype(Member{})::name);
  });
  return found;
}

}  // namespace detail

template <class T>
void Catalogue::add(T& group, std::string_view prefix) {
  static_assert(detail::Group<T>, "describe the settings with BOOST_DESCRIBE_STRUCT");
  boost::mp11::mp_for_each<detail::Members<T>>([&](auto member) {
    using Member = decltype(member);
    auto& value = group.*Member::pointer;
    using Type = std::remove_reference_t<decltype(value)>;
    if constexpr (detail::Group<Type>) {
      if constexpr (detail::Prefixed<Type>) {
        add(value, std::string(prefix) + std::string(Type::prefix));
      } else {
        add(value, std::string(prefix) + detail::upper(Member::name) + "_");
      }
    } else {
      constexpr std::optional<Doc> doc = detail::doc_of<T, Member>();
      static_assert(doc.has_value(), "every setting has a line in its group's docs");
      add_member(value, std::string(prefix) + detail::upper(Member::name), *doc);
    }
  });
}

template <class T>
void Catalogue::add_member(T& member, std::string name, Doc const& doc) {
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  std::string bounds;
  if (doc.min > -infinity && doc.max < infinity) {
    bounds = "between " + write_bound<T>(doc.min) + " and " + write_bound<T>(doc.max);
  } else if (doc.min > -infinity) {
    bounds = "at least " + write_bound<T>(doc.min);
  } else if (doc.max < infinity) {
    bounds = "at most " + write_bound<T>(doc.max);
  }
  insert({.name = std::move(name),
          .help = std::string(doc.help) + (bounds.empty() ? "" : " (" + bounds + ")"),
          .default_text = write_value(member),
          .assign =
              [&member, doc, bounds](std::string_view text) {
                T value = read_value<T>(text);
                auto const number = magnitude(value);
                if (number && (*number < doc.min || *number > doc.max)) throw ValueError("must be " + bounds);
                member = std::move(value);
              },
          .show = [&member] { return write_value(member); },
          .secret = std::is_same_v<T, Secret> || std::is_same_v<T, std::optional<Secret>>});
}

}  // namespace omnibus::config

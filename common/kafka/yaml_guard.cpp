#include "kafka/yaml_guard.hpp"

#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace omnibus::kafka {
namespace {

class Guard : public YAML::EventHandler {
 public:
  explicit Guard(std::size_t deepest) : deepest_(deepest) {}

  void OnDocumentStart(YAML::Mark const& mark) override {
    if (++documents_ > 1) refuse(mark, "holds more than one document");
  }
  void OnDocumentEnd() override {}
  void OnNull(YAML::Mark const& mark, YAML::anchor_t anchor) override { check(mark, anchor, ""); }
  void OnAlias(YAML::Mark const& mark, YAML::anchor_t) override { refuse(mark, "aliases are not taken here"); }
  void OnScalar(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor, std::string const&) override {
    check(mark, anchor, tag);
  }
  void OnSequenceStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(mark, anchor, tag);
    enter(mark);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(mark, anchor, tag);
    enter(mark);
  }
  void OnMapEnd() override { --depth_; }

 private:
  static void check(YAML::Mark const& mark, YAML::anchor_t anchor, std::string_view tag) {
    if (anchor != YAML::NullAnchor) refuse(mark, "anchors are not taken here");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags are not taken here");
  }
  void enter(YAML::Mark const& mark) {
    if (++depth_ > deepest_) refuse(mark, fmt::format("nested deeper than {} levels", deepest_));
  }
  [[noreturn]] static void refuse(YAML::Mark const& mark, std::string const& reason) {
    throw UnsafeYaml(mark.line + 1, reason);
  }

  std::size_t deepest_;
  std::size_t depth_ = 0;
  int documents_ = 0;
};

}  // namespace

void guard_yaml(std::string const& text, std::size_t deepest_nesting) {
  if (text.find('\0') != std::string::npos) throw UnsafeYaml(1, "holds a NUL byte");
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Guard guard(deepest_nesting);
  while (parser.HandleNextDocument(guard)) {
  }
}

}  // namespace omnibus::kafka

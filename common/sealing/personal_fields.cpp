#include "sealing/personal_fields.hpp"

#include "json/encode.hpp"
#include "json/loose.hpp"
#include "kafka/cloud_event.hpp"

#include <cstddef>
#include <utility>

namespace omnibus::sealing {
namespace {

using TreesBySchema = std::map<std::string, FieldTree, std::less<>>;

/// Reads the schema of one value.
FieldTree read_tree(json::LooseReader& reader) {
  FieldTree tree;
  reader.object([&](std::string_view word) {
    if (word == "x-pii") {
      tree.personal = reader.raw() == "true";
    } else if (word == "items") {
      if (auto items = read_tree(reader); !items.empty()) tree.items.push_back(std::move(items));
    } else if (word == "properties") {
      reader.object([&](std::string_view name) {
        std::string const member{name};
        if (auto field = read_tree(reader); !field.empty()) tree.members.emplace(member, std::move(field));
      });
    }
  });
  return tree;
}

TreesBySchema read_all() {
  TreesBySchema trees;
  for (auto const text : event_schema_texts()) {
    json::LooseReader reader{text};
    auto tree = read_tree(reader);
    if (!tree.empty()) trees.emplace(text_member(text, "$id").value(), std::move(tree));
  }
  return trees;
}

/// Copies a document and changes some of its strings.
class TextChanger {
 public:
  TextChanger(std::string_view data, ChangeText const& change)
      : reader_{data}, change_{change}, copied_{data.data()}, end_{data.data() + data.size()} {}

  std::string run(FieldTree const& fields) {
    walk(fields);
    out_.append(copied_, end_);
    return std::move(out_);
  }

 private:
  void walk(FieldTree const& fields) {
    auto const next = reader_.peek();
    if (next == '"' && fields.personal) {
      change();
    } else if (next == '{') {
      reader_.object([&](std::string_view name) {
        auto const found = fields.members.find(name);
        if (found != fields.members.end()) walk(found->second, name);
      });
    } else if (next == '[' && (fields.personal || !fields.items.empty())) {
      auto const& elements = fields.items.empty() ? fields : fields.items.front();
      std::size_t index = 0;
      reader_.array([&] { walk(elements, std::to_string(index++)); });
    }
  }

  void walk(FieldTree const& fields, std::string_view step) {
    auto const size = pointer_.size();
    pointer_ += '/';
    for (auto const c : step) {
      if (c == '~')
        pointer_ += "~0";
      else if (c == '/')
        pointer_ += "~1";
      else
        pointer_ += c;
    }
    walk(fields);
    pointer_.resize(size);
  }

  void change() {
    out_.append(copied_, reader_.rest().data());
    std::string text;
    if (!reader_.string(text)) return;
    json::append_string(out_, change_(pointer_, text));
    copied_ = reader_.rest().data();
  }

  json::LooseReader reader_;
  ChangeText const& change_;
  char const* copied_;
  char const* end_;
  std::string pointer_;
  std::string out_;
};

}  // namespace

FieldTree const* personal_fields(std::string_view event_type) {
  static TreesBySchema const trees = read_all();
  auto const found = trees.find(data_schema_of(event_type));
  return found == trees.end() ? nullptr : &found->second;
}

std::string change_texts(std::string_view data, FieldTree const& fields, ChangeText const& change) {
  return TextChanger{data, change}.run(fields);
}

std::optional<std::string> text_member(std::string_view data, std::string_view name) {
  std::optional<std::string> found;
  json::LooseReader reader{data};
  reader.object([&](std::string_view member) {
    if (member != name || found) return;
    std::string text;
    if (reader.string(text)) found = std::move(text);
  });
  return found;
}

}  // namespace omnibus::sealing

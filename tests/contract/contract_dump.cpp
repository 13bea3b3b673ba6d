/// What contract_test.py needs to know of the events in C++.
///   contract_dump             prints every event type with its members, as JSON
///   contract_dump --subjects TYPE KEY
///                             decodes standard input as that event and prints whom it is about, one subject key per
///                             line; KEY is the record's
///   contract_dump --seal TYPE seals the personal fields of the data on standard input, and opens them again; prints
///                             the sealed data
///   contract_dump TYPE        decodes standard input as that event and encodes it again; status 1 and the reason on
///                             standard error when it is refused
#include "events_list.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "sealing/personal_fields.hpp"
#include "sealing/sealed_text.hpp"
#include "subjects/subjects.hpp"
#include "uuid/uuid.hpp"

#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

using namespace omnibus;

namespace {

std::string_view name_of(json::Kind kind) {
  switch (kind) {
    case json::Kind::string:
      return "string";
    case json::Kind::boolean:
      return "boolean";
    case json::Kind::int32:
      return "int32";
    case json::Kind::int64:
      return "int64";
    case json::Kind::number:
      return "number";
    case json::Kind::uuid:
      return "uuid";
    case json::Kind::raw:
      return "raw";
    case json::Kind::object:
      return "object";
    case json::Kind::array:
      return "array";
    case json::Kind::optional:
      return "optional";
  }
  return "unknown";
}

void describe(std::string& out, json::Type const& type) {
  out.append(R"({"kind":")").append(name_of(type.kind)).append("\"");
  if (type.element != nullptr) {
    out += R"(,"element":)";
    describe(out, *type.element);
  }
  if (type.kind == json::Kind::object) {
    out += R"(,"members":{)";
    for (auto const& field : type.fields) {
      if (&field != type.fields.data()) out += ',';
      json::append_string(out, field.name);
      out += ':';
      describe(out, *field.type);
    }
    out += '}';
  }
  out += '}';
}

template <class... Event>
std::string describe_all(List<Event...>) {
  std::string out = "{";
  auto const add = [&](std::string_view name, json::Type const& type) {
    if (out.size() > 1) out += ',';
    json::append_string(out, name);
    out += ':';
    describe(out, type);
  };
  (add(Event::type, json::type_of<Event>), ...);
  return out + "}";
}

template <class Event>
std::optional<std::string> refusal(std::string_view text) {
  auto const event = json::decode<Event>(text);
  if (!event) return event.error().message();
  if constexpr (requires { validate(*event); }) {
    if (auto const invalid = validate(*event)) return invalid->field + " " + invalid->reason;
  }
  std::cout << json::encode(*event) << '\n';
  return std::nullopt;
}

template <class... Event>
std::optional<std::string> refusal(List<Event...>, std::string_view type, std::string_view text) {
  std::optional<std::string> reason = "no such event type";
  ((Event::type == type ? void(reason = refusal<Event>(text)) : void()), ...);
  return reason;
}

template <class Event>
std::string subjects_in(std::string_view text, std::string_view key) {
  std::string lines;
  if constexpr (NamesSubjects<Event>)
    for (auto const& subject : subjects_of(json::decode<Event>(text).value(), key)) lines += subject.text() + '\n';
  return lines;
}

template <class... Event>
std::string subjects_in(List<Event...>, std::string_view type, std::string_view text, std::string_view key) {
  std::string lines;
  ((Event::type == type ? void(lines = subjects_in<Event>(text, key)) : void()), ...);
  return lines;
}

/// @throws std::runtime_error when it does not open to what it was.
std::string sealed(std::string_view type, std::string_view text) {
  auto const* const fields = sealing::personal_fields(type);
  if (fields == nullptr) return std::string{text};
  auto const id = random_uuid();
  auto const key = random_aes_key();
  auto closed = sealing::change_texts(text, *fields, [&](std::string_view pointer, std::string_view clear) {
    return sealing::seal_text(id, key, sealing::binding_of(type, pointer, "1"), clear);
  });
  auto const as_read = sealing::change_texts(text, *fields, [](auto, auto clear) { return std::string{clear}; });
  auto const opened = sealing::change_texts(closed, *fields, [&](std::string_view pointer, std::string_view each) {
    return sealing::open_text(key, sealing::binding_of(type, pointer, "1"), sealing::parse_sealed_text(each).value())
        .value();
  });
  if (opened != as_read) throw std::runtime_error("what was sealed opens to something else");
  return closed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cout << describe_all(Events{}) << '\n';
    return 0;
  }
  std::string const text(std::istreambuf_iterator<char>(std::cin), {});
  if (argv[1] == std::string_view{"--subjects"} && argc == 4) {
    std::cout << subjects_in(Events{}, argv[2], text, argv[3]);
    return 0;
  }
  if (argv[1] == std::string_view{"--seal"} && argc == 3) {
    std::cout << sealed(argv[2], text);
    return 0;
  }
  auto const reason = refusal(Events{}, argv[1], text);
  if (!reason) return 0;
  std::cerr << *reason << '\n';
  return 1;
}

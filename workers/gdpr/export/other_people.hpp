/// Keeps other people out of an export.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace omnibus::gdpr {

/// Another person whom rows about the exported one name.
struct OtherParty {
  std::string id;                  ///< of users
  std::string handle;              ///< whole words of it are replaced, in either case
  std::vector<std::string> texts;  ///< their own: e-mail, story, focus; replaced where they stand, short ones as words
};

/// Replaces in JSON what tells who another person is by "the other person", and persons of the team by "a person of the
/// team". What people wrote about each other stays otherwise. Immutable; any thread may use it.
class OtherPeople {
 public:
  OtherPeople() = default;
  explicit OtherPeople(std::vector<OtherParty> const& people);

  /// @param json valid JSON, of which only the values that are strings are changed
  std::string masked(std::string_view json) const;

 private:
  struct Mark {
    std::string text;
    bool is_word = false;
  };
  std::string mask_text(std::string text) const;

  std::vector<Mark> marks_;
};

}  // namespace omnibus::gdpr

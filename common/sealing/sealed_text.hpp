/// A text as it stands in a sealed event: `sealed:v1:<key id>:<base64url of nonce, ciphertext and tag>`.
#pragma once

#include "hash/aes_gcm.hpp"
#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace omnibus::sealing {

/// The parts of a sealed text. Its view is valid as long as the text.
struct SealedText {
  Uuid key_id;
  std::string_view base64;
};

/// Whether it begins as one.
bool is_sealed_text(std::string_view text);
/// Nothing for a text of another form.
std::optional<SealedText> parse_sealed_text(std::string_view text);

/// What a text is bound to: it opens in no other event and in no other field.
/// @param pointer the field, as in RFC 6901
std::string binding_of(std::string_view event_type, std::string_view pointer, std::string_view event_id);

/// Seals a text. The same text sealed again is another one.
std::string seal_text(Uuid const& key_id, AesKey const& key, std::string_view binding, std::string_view clear);

/// Nothing when the key or the binding is another, or any character was changed.
std::optional<std::string> open_text(AesKey const& key, std::string_view binding, SealedText const& sealed);

}  // namespace omnibus::sealing

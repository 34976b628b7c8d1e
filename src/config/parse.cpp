#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "config/node.hpp"
#include "config/wording.hpp"

namespace komori::config {

namespace {

/// Builds a Node from the parser's events. Aliases are expanded here, so that what they expand to
/// counts against the limits.
class Builder final : public YAML::EventHandler {
public:
  /// With `line_numbers` off, nodes keep the line of `origin`.
  Builder(const Origin& origin, bool line_numbers)
      : origin_(origin), file_(std::make_shared<const std::string>(origin.file)),
        line_numbers_(line_numbers) {}

  std::optional<Node> root;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1)
      stop(mark, "a second document begins here ('---'); an input is one document");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    place(mark, make(mark, Node::Kind::null), anchor, {1, 0});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_tag(mark, tag);
    Node node = make(mark, Node::Kind::scalar);
    node.quoted = tag == "!";
    node.text = text;
    place(mark, std::move(node), anchor, {1, text.size()});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(mark, "an alias stands inside the value that it names");
    if (open_.size() + found->second.height > Limits::depth) too_deep(mark);
    count(mark, found->second.size);
    Node copy = found->second.node;
    copy.line = line(mark);
    insert(mark, std::move(copy), found->second.height);
  }

private:
  struct Size {
    std::size_t nodes = 0;
    std::size_t bytes = 0;
  };
  struct Anchored {
    Node node;
    Size size;
    std::size_t height = 0;
  };
  struct Open {
    Node node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    Size before;                     ///< total when it began
    std::size_t height = 1;          ///< levels below and including it
    std::map<std::string, int> keys; ///< and their lines
    std::optional<std::string> key;  ///< waits for its value
    int key_line = 0;
  };

  [[noreturn]] void stop(const YAML::Mark& mark, const std::string& text) const {
    fail({origin_.file, line(mark)}, text);
  }
  [[noreturn]] void too_deep(const YAML::Mark& mark) const {
    stop(mark, fmt::format("lists and sections are nested deeper than {} levels", Limits::depth));
  }
  int line(const YAML::Mark& mark) const {
    return line_numbers_ && !mark.is_null() ? mark.line + 1 : origin_.line;
  }
  Node make(const YAML::Mark& mark, Node::Kind kind) const {
    Node node;
    node.kind = kind;
    node.line = line(mark);
    node.file = file_;
    return node;
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!")
      stop(mark, fmt::format("has the YAML tag {}; tags are not used here, leave it out",
                             in_quotes(tag)));
  }
  void count(const YAML::Mark& mark, Size more) {
    total_.nodes += more.nodes;
    total_.bytes += more.bytes;
    if (total_.nodes > Limits::nodes)
      stop(mark, fmt::format("the input has more than {} values (aliases count as what they stand "
                             "for); put large data into a file of its own",
                             Limits::nodes));
    if (total_.bytes > Limits::text_bytes)
      stop(mark, fmt::format("the input has more than {} MiB of text (aliases count as what they "
                             "stand for)",
                             Limits::text_bytes >> 20));
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Node::Kind kind) {
    refuse_tag(mark, tag);
    if (!open_.empty() && open_.back().node.kind == Node::Kind::map && !open_.back().key)
      stop(mark,
           "a key must be a word, but is a list or section; is a bracket or quote never closed?");
    if (open_.size() == Limits::depth) too_deep(mark);
    Open& level = open_.emplace_back();
    level.node = make(mark, kind);
    level.mark = mark;
    level.anchor = anchor;
    level.before = total_;
    count(mark, {1, 0});
  }
  void close() {
    Open level = std::move(open_.back());
    open_.pop_back();
    if (level.anchor != 0) {
      const Size size{total_.nodes - level.before.nodes, total_.bytes - level.before.bytes};
      remember(level.mark, level.node, level.anchor, size, level.height);
    }
    insert(level.mark, std::move(level.node), level.height);
  }
  void place(const YAML::Mark& mark, Node node, YAML::anchor_t anchor, Size size) {
    count(mark, size);
    if (anchor != 0) remember(mark, node, anchor, size, 0);
    insert(mark, std::move(node), 0);
  }
  void remember(const YAML::Mark& mark, const Node& node, YAML::anchor_t anchor, Size size,
                std::size_t height) {
    count(mark, size); // the copy kept here
    anchors_.insert_or_assign(anchor, Anchored{node, size, height});
  }
  void insert(const YAML::Mark& mark, Node node, std::size_t height) {
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Open& level = open_.back();
    level.height = std::max(level.height, height + 1);
    if (level.node.kind == Node::Kind::list) {
      level.node.children.push_back(std::move(node));
    } else if (!level.key) {
      begin_entry(mark, level, node);
    } else {
      node.key = std::move(*level.key);
      node.line = level.key_line;
      level.key.reset();
      level.node.children.push_back(std::move(node));
    }
  }
  void begin_entry(const YAML::Mark& mark, Open& level, const Node& node) const {
    if (node.kind != Node::Kind::scalar || node.text.empty())
      stop(mark, "a key must be a word, but is empty");
    const auto [found, is_new] = level.keys.emplace(node.text, line(mark));
    if (!is_new)
      stop(mark,
           fmt::format("key {} is given twice{}; keep one of them", in_quotes(node.text),
                       found->second ? fmt::format(", first in line {}", found->second) : ""));
    level.key = node.text;
    level.key_line = line(mark);
  }

  Origin origin_;
  std::shared_ptr<const std::string> file_;
  bool line_numbers_;
  int documents_ = 0;
  Size total_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
};

/// What the usual slips look like to a YAML parser.
std::string hint_for(const std::string& text, const YAML::Exception& error) {
  std::size_t begin = 0;
  for (int line = 0; line < error.mark.line && begin < text.size(); ++line)
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  const std::size_t first = text.find_first_not_of(' ', begin);
  if (first != std::string::npos && text[first] == '\t')
    return "; the line is indented by a tab, use blanks";
  if (error.msg == YAML::ErrorMsg::MAP_VALUE)
    return "; is the line indented like its neighbours? Text that contains ': ' needs quotes";
  if (error.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW)
    return "; a '[' is not closed, or a ',' missing";
  if (error.msg == YAML::ErrorMsg::END_OF_MAP_FLOW)
    return "; a '{' is not closed, or a ',' missing";
  if (error.msg == YAML::ErrorMsg::EOF_IN_SCALAR) return "; a quote is opened but never closed";
  if (error.msg == YAML::ErrorMsg::UNKNOWN_TOKEN || error.msg == YAML::ErrorMsg::UNKNOWN_ANCHOR)
    return "; a value that begins with one of * & % @ needs quotes";
  return "";
}

std::optional<Node> build(const std::string& text, const Origin& origin, bool line_numbers) {
  Builder builder(origin, line_numbers);
  try {
    // yaml-cpp 0.7 takes a quote that is never closed for closed if the text ends with a line end;
    // a last line without one, here an empty remark, makes it an error.
    std::istringstream stream(text + (text.empty() || text.back() == '\n' ? "#" : "\n#"));
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    const bool known = line_numbers && !error.mark.is_null();
    fail({origin.file, known ? error.mark.line + 1 : origin.line},
         "not valid YAML: " + error.msg +
             (error.mark.is_null() ? "" : fmt::format(" (column {})", error.mark.column + 1)) +
             hint_for(text, error));
  }
  return std::move(builder.root);
}

} // namespace

Node parse(const std::string& text, const std::string& file) {
  auto root = build(text, {file, 0}, true);
  if (!root || (root->kind == Node::Kind::null && root->children.empty()))
    fail({file, 0}, "the input is empty; it needs lines of the form 'key: value'");
  if (root->kind != Node::Kind::map)
    fail(root->origin(), fmt::format("the input is {}, but must be lines of the form 'key: value'",
                                     root->kind == Node::Kind::list ? "a list" : root->shown()));
  return std::move(*root);
}

Node parse_value(const std::string& text, const Origin& origin) {
  auto root = build(text, origin, false);
  if (root) return std::move(*root);
  Node empty;
  empty.line = origin.line;
  empty.file = std::make_shared<const std::string>(origin.file);
  return empty;
}

} // namespace komori::config

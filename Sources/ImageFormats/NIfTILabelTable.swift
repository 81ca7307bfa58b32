/// Names and colours of labels, in a header extension that Connectome Workbench and TotalSegmentator read.
///
/// Connectome Workbench's XML for label volumes, in the layout that TotalSegmentator gives it byte for byte.
public enum NIfTILabelTable {
  public struct Entry: Sendable, Equatable {
    /// The label.
    public var key: Int
    public var name: String
    /// 0 ... 255
    public var red: UInt8
    public var green: UInt8
    public var blue: UInt8

    public init(key: Int, name: String, red: UInt8, green: UInt8, blue: UInt8) {
      self.key = key
      self.name = name
      self.red = red
      self.green = green
      self.blue = blue
    }
  }

  /// The table as an extension of code 0, which is where its readers look for it.
  public static func fileExtension(_ entries: [Entry]) -> NIfTIExtension {
    NIfTIExtension(code: 0, content: Array(xml(entries).utf8))
  }

  /// The table as text.
  public static func xml(_ entries: [Entry]) -> String {
    var text = #"<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <Date>"#
    // A fixed date, so that equal labels give equal files.
    text += #"<![CDATA[2013-07-14T05:45:09]]></Date>   <VolumeInformation Index="0">   <LabelTable>"# + "\n"
    for entry in entries {
      let colour = [entry.red, entry.green, entry.blue].map { Double($0) / 255 }
      text += #"<Label Key="\#(entry.key)" Red="\#(colour[0])" Green="\#(colour[1])" Blue="\#(colour[2])" Alpha="1">"#
      // The one thing that cannot stand in such a section is its end.
      let name = entry.name.split(separator: "]]>", omittingEmptySubsequences: false).joined(
        separator: "]]]]><![CDATA[>")
      text += "<![CDATA[\(name)]]></Label>\n"
    }
    text += "\n  </LabelTable>  <StudyMetaDataLinkSet>  </StudyMetaDataLinkSet>  "
    text += "<VolumeType><![CDATA[Label]]></VolumeType>   </VolumeInformation></CaretExtension>\n"
    return text + String(repeating: " ", count: 14)
  }

  /// The entries of the first extension that holds such a table, wherever it stands; nil when none does.
  public static func find(in extensions: [NIfTIExtension]) -> [Entry]? {
    for candidate in extensions {
      let text = String(decoding: candidate.content.prefix { $0 != 0 }, as: UTF8.self)
      guard text.contains("<CaretExtension"), text.contains("<LabelTable") else { continue }
      return parse(text)
    }
    return nil
  }

  /// The `Label` elements of a table; those without a number for a key are left out.
  public static func parse(_ text: String) -> [Entry] {
    var entries: [Entry] = []
    var scanner = MarkupScanner(text)
    while scanner.skip(past: "<Label") {
      // `LabelTable` begins alike.
      guard let next = scanner.next, next.isWhitespace, let tag = scanner.take(upTo: ">") else { continue }
      let attributes = MarkupScanner.attributes(tag)
      let name = tag.hasSuffix("/") ? "" : scanner.takeText(upTo: "</Label>")
      guard let key = attributes["Key"].flatMap({ Int($0) }) else { continue }
      func part(_ name: String) -> UInt8 {
        let value = attributes[name].flatMap { Double($0) } ?? 0
        return UInt8((min(max(value.isFinite ? value : 0, 0), 1) * 255).rounded())
      }
      entries.append(
        Entry(key: key, name: name, red: part("Red"), green: part("Green"), blue: part("Blue")))
    }
    return entries
  }
}

/// As much of XML as label tables need: attributes, sections of plain text, the five named entities.
private struct MarkupScanner {
  private var rest: Substring

  init(_ text: String) { rest = text[...] }

  var next: Character? { rest.first }

  mutating func skip(past mark: String) -> Bool {
    guard let range = rest.firstRange(of: mark) else { return false }
    rest = rest[range.upperBound...]
    return true
  }

  /// What comes before `mark`, which is skipped; nil, and nothing skipped, when there is none.
  mutating func take(upTo mark: String) -> Substring? {
    guard let range = rest.firstRange(of: mark) else { return nil }
    defer { rest = rest[range.upperBound...] }
    return rest[..<range.lowerBound]
  }

  /// Text up to a closing tag, literal sections resolved.
  mutating func takeText(upTo mark: String) -> String {
    var text = ""
    while !rest.isEmpty {
      if rest.hasPrefix("<![CDATA[") {
        rest = rest.dropFirst(9)
        guard let literal = take(upTo: "]]>") else { break }
        text += literal
      } else if rest.hasPrefix(mark) {
        rest = rest.dropFirst(mark.count)
        break
      } else {
        let end = rest.dropFirst().firstIndex(of: "<") ?? rest.endIndex
        text += Self.resolved(rest[..<end])
        rest = rest[end...]
      }
    }
    return text
  }

  static func attributes(_ tag: Substring) -> [String: String] {
    var found: [String: String] = [:]
    var scanner = MarkupScanner(String(tag))
    while let name = scanner.take(upTo: "=") {
      guard let quote = scanner.rest.first(where: { !$0.isWhitespace }), quote == "\"" || quote == "'" else { break }
      guard scanner.skip(past: String(quote)), let value = scanner.take(upTo: String(quote)) else { break }
      found[String(name.filter { !$0.isWhitespace })] = resolved(value)
    }
    return found
  }

  private static func resolved(_ text: Substring) -> String {
    guard text.contains("&") else { return String(text) }
    var result = text
    for (entity, character) in [("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'"), ("amp", "&")] {
      result =
        result.split(separator: "&\(entity);", omittingEmptySubsequences: false).joined(separator: character)[...]
    }
    return String(result)
  }
}

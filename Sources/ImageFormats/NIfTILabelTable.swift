import Basics

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

  /// The `Label` elements of a table; those without a number for a key are left out, and what follows damage.
  public static func parse(_ text: String) -> [Entry] {
    Array(text.utf8).withUnsafeBytes { bytes in
      var entries: [Entry] = []
      var tags = XMLTags(bytes)
      var current: Entry?
      while let item = try? tags.next() {
        switch item {
        case .begin("Label", let attributes):
          func part(_ name: String) -> UInt8 {
            let value = attributes[name].flatMap { Double($0) } ?? 0
            return UInt8((min(max(value.isFinite ? value : 0, 0), 1) * 255).rounded())
          }
          current = attributes["Key"].flatMap { Int($0) }.map {
            Entry(key: $0, name: "", red: part("Red"), green: part("Green"), blue: part("Blue"))
          }
        case .text(let text): current?.name += text
        case .end("Label"):
          if let current { entries.append(current) }
          current = nil
        default: break
        }
      }
      return entries
    }
  }
}

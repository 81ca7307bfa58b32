import Basics
import TestSupport
import Testing

@testable import FastnnUNet

@Suite struct ModeReadingTests {
  private func read(_ text: String) throws -> Mode {
    try Mode(
      name: "own", reading: LocatedJSON(file: "own.json", document: try JSON(parsing: Array(text.utf8))), folder: "/m")
  }

  /// A file holds one network, whatever folds it is of.
  @Test(arguments: [#""folds": [1]"#, #""checkpoint": "checkpoint_best.pth""#], ["net.onnx", "net.xml"])
  func nothingCanBeChosenInAFile(choice: String, file: String) throws {
    let failure = #expect(throws: Failure.self) {
      try read(#"{"models": [{"model": "folder"}, {"model": "\#(file)", \#(choice)}]}"#)
    }
    #expect(failure?.kind == .badInput && failure?.file == "own.json")
    #expect(failure?.message.hasPrefix("models[1].") == true && failure?.message.contains("/m/\(file)") == true)
    #expect(throws: Never.self) { try read(#"{"models": [{"model": "folder", \#(choice)}, {"model": "\#(file)"}]}"#) }
  }

  /// As a model folder may be called.
  @Test func foldersMayEndAsFiles() throws {
    let folder = try TemporaryFolder()
    try Path.makeFolder(folder("net.onnx"))
    let mode = try read(#"{"models": [{"model": "\#(folder("net.onnx"))", "folds": [1, "all"]}]}"#)
    #expect(mode.parts[0].folds == ["1", "all"])
  }
}

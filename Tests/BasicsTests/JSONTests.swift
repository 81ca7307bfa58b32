import Basics
import Testing

@Suite struct JSONTests {
  @Test func keepsKeyOrderAndPythonNumbers() throws {
    let json = try JSON(parsing: Array(#"{"b": [1, 2.5, NaN], "a": {"é": null, "x": true}}"#.utf8))
    #expect(json.object?.keys == ["b", "a"])
    #expect(json["b"]?.array?[1].double == 2.5)
    #expect(json.text() == #"{"b": [1, 2.5, NaN], "a": {"\u00e9": null, "x": true}}"#)
  }

  @Test(arguments: [
    "{", "[1,]", #"{"a" 1}"#, "\"\\ud800\"", "1 2", "", "nul", "[\"\u{1}\"]", String(repeating: "[", count: 5000),
  ])
  func refusesMalformedText(_ text: String) {
    #expect(throws: Failure.self) { try JSON(parsing: Array(text.utf8)) }
  }
}

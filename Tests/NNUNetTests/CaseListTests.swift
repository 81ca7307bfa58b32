import Basics
import TestSupport
import Testing

@testable import NNUNet

@Suite struct CaseListTests {
  private func folder(_ names: [String]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in names { try AtomicFile.write([], to: folder(name)) }
    return folder
  }

  @Test func channelsAreGroupedAndCasesSorted() throws {
    let folder = try folder([
      "b_0001.nii.gz", "b_0000.nii.gz", "a_1_0000.nii.gz", "notes.txt", "a.nii", ".b_0000.nii.gz", "B_0000.nii.gz",
    ])
    let list = try CaseList.find(at: folder.path, ending: ".nii.gz")
    #expect(list.cases.map(\.identifier) == ["B", "a_1", "b"])
    #expect(list.cases.last?.images == [folder("b_0000.nii.gz"), folder("b_0001.nii.gz")])
    #expect(list.unusable.isEmpty)
  }

  @Test func filesWithoutAChannelSuffixAreReported() throws {
    let folder = try folder(["scan.nii.gz", "x_000.nii.gz", "x_00a0.nii.gz", "_0000.nii.gz", "y_0000.nii.gz"])
    let list = try CaseList.find(at: folder.path, ending: ".nii.gz")
    #expect(list.cases.map(\.identifier) == ["y"])
    #expect(list.unusable.count == 4)
  }

  @Test func oneFileIsOneCaseWithItsOtherChannels() throws {
    let folder = try folder(["b_0001.nii.gz", "b_0000.nii.gz", "c_0000.nii.gz", "plain.nii.gz"])
    let channels = try CaseList.find(at: folder("b_0000.nii.gz"), ending: ".nii.gz")
    #expect(channels.cases == [CaseFiles(identifier: "b", images: [folder("b_0000.nii.gz"), folder("b_0001.nii.gz")])])
    let plain = try CaseList.find(at: folder("plain.nii.gz"), ending: ".nii.gz")
    #expect(plain.cases == [CaseFiles(identifier: "plain", images: [folder("plain.nii.gz")])])
  }

  @Test func everyFileCanBeACase() throws {
    let folder = try folder([
      "b_0000.nii.gz", "c_0000.nii.gz", "c.nii.gz", "d_0001.nii.gz", "e.nii", ".f.nii.gz", "g.nii.gz",
    ])
    let list = try CaseList.findSingleFiles(at: folder.path, ending: ".nii.gz")
    #expect(list.cases.map(\.identifier) == ["b", "c", "c_0000", "d_0001", "g"])
    #expect(list.cases.first?.images == [folder("b_0000.nii.gz")])
    #expect(list.unusable.isEmpty)
  }

  @Test func wrongEndingsAndMissingPathsAreExplained() throws {
    let folder = try folder(["b_0000.nrrd"])
    let wrong = #expect(throws: Failure.self) { try CaseList.find(at: folder("b_0000.nrrd"), ending: ".nii.gz") }
    #expect(wrong?.message.contains(".nii.gz") == true)
    let missing = #expect(throws: Failure.self) { try CaseList.find(at: folder("nothing"), ending: ".nii.gz") }
    #expect(missing?.kind == .missingInput)
  }
}

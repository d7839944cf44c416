//! Storage SOP classes (PS3.4 sections B.5 and GG.3), with the names of PS3.6.

use crate::SopClassUid;

/// Verification SOP Class.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Storage Commitment Push Model SOP Class (PS3.4 Annex J).
pub const STORAGE_COMMITMENT_PUSH: &str = "1.2.840.10008.1.20.1";
/// The well-known instance of the Storage Commitment Push Model.
pub const STORAGE_COMMITMENT_PUSH_INSTANCE: &str = "1.2.840.10008.1.20.1.1";
/// Storage Service Class, named in common extended negotiation.
pub const STORAGE_SERVICE_CLASS: &str = "1.2.840.10008.4.2";
/// Patient Root Query/Retrieve, FIND.
pub const PATIENT_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.1.1";
/// Patient Root Query/Retrieve, MOVE.
pub const PATIENT_ROOT_MOVE: &str = "1.2.840.10008.5.1.4.1.2.1.2";
/// Patient Root Query/Retrieve, GET.
pub const PATIENT_ROOT_GET: &str = "1.2.840.10008.5.1.4.1.2.1.3";
/// Study Root Query/Retrieve, FIND.
pub const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
/// Study Root Query/Retrieve, MOVE.
pub const STUDY_ROOT_MOVE: &str = "1.2.840.10008.5.1.4.1.2.2.2";
/// Study Root Query/Retrieve, GET.
pub const STUDY_ROOT_GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";

/// The name of a storage SOP class of the standard, retired ones included; `None` for any other UID.
pub fn storage_name(uid: &SopClassUid) -> Option<&'static str> {
    STORAGE.iter().find(|(known, _)| *known == uid.as_str()).map(|(_, name)| *name)
}

/// Whether instances of the class stand outside patients and studies (PS3.4 Annex GG).
pub fn is_non_patient(uid: &SopClassUid) -> bool {
    NON_PATIENT.contains(&uid.as_str())
}

/// Every storage SOP class UID known by name.
pub fn storage_uids() -> impl Iterator<Item = &'static str> {
    STORAGE.iter().map(|(uid, _)| *uid)
}

const NON_PATIENT: &[&str] = &[
    "1.2.840.10008.5.1.4.1.1.200.1",
    "1.2.840.10008.5.1.4.1.1.200.3",
    "1.2.840.10008.5.1.4.1.1.200.7",
    "1.2.840.10008.5.1.4.1.1.201.1",
    "1.2.840.10008.5.1.4.38.1",
    "1.2.840.10008.5.1.4.39.1",
    "1.2.840.10008.5.1.4.43.1",
    "1.2.840.10008.5.1.4.44.1",
    "1.2.840.10008.5.1.4.45.1",
];

#[rustfmt::skip]
const STORAGE: &[(&str, &str)] = &[
    ("1.2.840.10008.5.1.1.27", "Stored Print SOP Class"),
    ("1.2.840.10008.5.1.1.29", "Hardcopy Grayscale SOP Class"),
    ("1.2.840.10008.5.1.1.30", "Hardcopy Color SOP Class"),
    ("1.2.840.10008.5.1.4.1.1.1", "Computed Radiography"),
    ("1.2.840.10008.5.1.4.1.1.1.1", "Digital X-Ray - For Presentation"),
    ("1.2.840.10008.5.1.4.1.1.1.1.1", "Digital X-Ray - For Processing"),
    ("1.2.840.10008.5.1.4.1.1.1.2", "Digital Mammography X-Ray - For Presentation"),
    ("1.2.840.10008.5.1.4.1.1.1.2.1", "Digital Mammography X-Ray - For Processing"),
    ("1.2.840.10008.5.1.4.1.1.1.3", "Digital Intra-Oral X-Ray - For Presentation"),
    ("1.2.840.10008.5.1.4.1.1.1.3.1", "Digital Intra-Oral X-Ray - For Processing"),
    ("1.2.840.10008.5.1.4.1.1.2", "CT"),
    ("1.2.840.10008.5.1.4.1.1.2.1", "Enhanced CT"),
    ("1.2.840.10008.5.1.4.1.1.2.2", "Legacy Converted Enhanced CT"),
    ("1.2.840.10008.5.1.4.1.1.3", "Ultrasound Multi-frame (retired)"),
    ("1.2.840.10008.5.1.4.1.1.3.1", "Ultrasound Multi-frame"),
    ("1.2.840.10008.5.1.4.1.1.4", "MR"),
    ("1.2.840.10008.5.1.4.1.1.4.1", "Enhanced MR"),
    ("1.2.840.10008.5.1.4.1.1.4.2", "MR Spectroscopy"),
    ("1.2.840.10008.5.1.4.1.1.4.3", "Enhanced MR Color"),
    ("1.2.840.10008.5.1.4.1.1.4.4", "Legacy Converted Enhanced MR"),
    ("1.2.840.10008.5.1.4.1.1.5", "Nuclear Medicine (retired)"),
    ("1.2.840.10008.5.1.4.1.1.6", "Ultrasound (retired)"),
    ("1.2.840.10008.5.1.4.1.1.6.1", "Ultrasound"),
    ("1.2.840.10008.5.1.4.1.1.6.2", "Enhanced US Volume"),
    ("1.2.840.10008.5.1.4.1.1.6.3", "Photoacoustic"),
    ("1.2.840.10008.5.1.4.1.1.7", "Secondary Capture"),
    ("1.2.840.10008.5.1.4.1.1.7.1", "Multi-frame Single Bit Secondary Capture"),
    ("1.2.840.10008.5.1.4.1.1.7.2", "Multi-frame Grayscale Byte Secondary Capture"),
    ("1.2.840.10008.5.1.4.1.1.7.3", "Multi-frame Grayscale Word Secondary Capture"),
    ("1.2.840.10008.5.1.4.1.1.7.4", "Multi-frame True Color Secondary Capture"),
    ("1.2.840.10008.5.1.4.1.1.8", "Standalone Overlay"),
    ("1.2.840.10008.5.1.4.1.1.9", "Standalone Curve"),
    ("1.2.840.10008.5.1.4.1.1.9.1", "Waveform - Trial"),
    ("1.2.840.10008.5.1.4.1.1.9.1.1", "12-lead ECG Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.1.2", "General ECG Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.1.3", "Ambulatory ECG Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.1.4", "General 32-bit ECG Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.2.1", "Hemodynamic Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.3.1", "Cardiac Electrophysiology Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.4.1", "Basic Voice Audio Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.4.2", "General Audio Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.5.1", "Arterial Pulse Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.6.1", "Respiratory Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.6.2", "Multi-channel Respiratory Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.7.1", "Routine Scalp Electroencephalogram Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.7.2", "Electromyogram Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.7.3", "Electrooculogram Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.7.4", "Sleep Electroencephalogram Waveform"),
    ("1.2.840.10008.5.1.4.1.1.9.8.1", "Body Position Waveform"),
    ("1.2.840.10008.5.1.4.1.1.10", "Standalone Modality LUT"),
    ("1.2.840.10008.5.1.4.1.1.11", "Standalone VOI LUT"),
    ("1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Softcopy Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.2", "Color Softcopy Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.3", "Pseudo-Color Softcopy Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.4", "Blending Softcopy Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.5", "XA/XRF Grayscale Softcopy Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.6", "Grayscale Planar MPR Volumetric Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.7", "Compositing Planar MPR Volumetric Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.8", "Advanced Blending Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.9", "Volume Rendering Volumetric Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.10", "Segmented Volume Rendering Volumetric Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.11", "Multiple Volume Rendering Volumetric Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.11.12", "Variable Modality LUT Softcopy Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.12.1", "X-Ray Angiographic"),
    ("1.2.840.10008.5.1.4.1.1.12.1.1", "Enhanced XA"),
    ("1.2.840.10008.5.1.4.1.1.12.2", "X-Ray Radiofluoroscopic"),
    ("1.2.840.10008.5.1.4.1.1.12.2.1", "Enhanced XRF"),
    ("1.2.840.10008.5.1.4.1.1.12.3", "X-Ray Angiographic Bi-Plane"),
    ("1.2.840.10008.5.1.4.1.1.13.1.1", "X-Ray 3D Angiographic"),
    ("1.2.840.10008.5.1.4.1.1.13.1.2", "X-Ray 3D Craniofacial"),
    ("1.2.840.10008.5.1.4.1.1.13.1.3", "Breast Tomosynthesis"),
    ("1.2.840.10008.5.1.4.1.1.13.1.4", "Breast Projection X-Ray - For Presentation"),
    ("1.2.840.10008.5.1.4.1.1.13.1.5", "Breast Projection X-Ray - For Processing"),
    ("1.2.840.10008.5.1.4.1.1.14.1", "Intravascular Optical Coherence Tomography - For Presentation"),
    ("1.2.840.10008.5.1.4.1.1.14.2", "Intravascular Optical Coherence Tomography - For Processing"),
    ("1.2.840.10008.5.1.4.1.1.20", "Nuclear Medicine"),
    ("1.2.840.10008.5.1.4.1.1.30", "Parametric Map"),
    ("1.2.840.10008.5.1.4.1.1.66", "Raw Data"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "Spatial Registration"),
    ("1.2.840.10008.5.1.4.1.1.66.2", "Spatial Fiducials"),
    ("1.2.840.10008.5.1.4.1.1.66.3", "Deformable Spatial Registration"),
    ("1.2.840.10008.5.1.4.1.1.66.4", "Segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66.5", "Surface Segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66.6", "Tractography Results"),
    ("1.2.840.10008.5.1.4.1.1.67", "Real World Value Mapping"),
    ("1.2.840.10008.5.1.4.1.1.68.1", "Surface Scan Mesh"),
    ("1.2.840.10008.5.1.4.1.1.68.2", "Surface Scan Point Cloud"),
    ("1.2.840.10008.5.1.4.1.1.77.1", "VL - Trial"),
    ("1.2.840.10008.5.1.4.1.1.77.1.1", "VL Endoscopic"),
    ("1.2.840.10008.5.1.4.1.1.77.1.1.1", "Video Endoscopic"),
    ("1.2.840.10008.5.1.4.1.1.77.1.2", "VL Microscopic"),
    ("1.2.840.10008.5.1.4.1.1.77.1.2.1", "Video Microscopic"),
    ("1.2.840.10008.5.1.4.1.1.77.1.3", "VL Slide-Coordinates Microscopic"),
    ("1.2.840.10008.5.1.4.1.1.77.1.4", "VL Photographic"),
    ("1.2.840.10008.5.1.4.1.1.77.1.4.1", "Video Photographic"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.1", "Ophthalmic Photography 8 Bit"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.2", "Ophthalmic Photography 16 Bit"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.3", "Stereometric Relationship"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.4", "Ophthalmic Tomography"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.5", "Wide Field Ophthalmic Photography Stereographic Projection"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.6", "Wide Field Ophthalmic Photography 3D Coordinates"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.7", "Ophthalmic Optical Coherence Tomography En Face"),
    ("1.2.840.10008.5.1.4.1.1.77.1.5.8", "Ophthalmic Optical Coherence Tomography B-scan Volume Analysis"),
    ("1.2.840.10008.5.1.4.1.1.77.1.6", "VL Whole Slide Microscopy"),
    ("1.2.840.10008.5.1.4.1.1.77.1.7", "Dermoscopic Photography"),
    ("1.2.840.10008.5.1.4.1.1.77.1.8", "Confocal Microscopy"),
    ("1.2.840.10008.5.1.4.1.1.77.1.9", "Confocal Microscopy Tiled Pyramidal"),
    ("1.2.840.10008.5.1.4.1.1.77.2", "VL Multi-frame - Trial"),
    ("1.2.840.10008.5.1.4.1.1.78.1", "Lensometry Measurements"),
    ("1.2.840.10008.5.1.4.1.1.78.2", "Autorefraction Measurements"),
    ("1.2.840.10008.5.1.4.1.1.78.3", "Keratometry Measurements"),
    ("1.2.840.10008.5.1.4.1.1.78.4", "Subjective Refraction Measurements"),
    ("1.2.840.10008.5.1.4.1.1.78.5", "Visual Acuity Measurements"),
    ("1.2.840.10008.5.1.4.1.1.78.6", "Spectacle Prescription Report"),
    ("1.2.840.10008.5.1.4.1.1.78.7", "Ophthalmic Axial Measurements"),
    ("1.2.840.10008.5.1.4.1.1.78.8", "Intraocular Lens Calculations"),
    ("1.2.840.10008.5.1.4.1.1.79.1", "Macular Grid Thickness and Volume Report"),
    ("1.2.840.10008.5.1.4.1.1.80.1", "Ophthalmic Visual Field Static Perimetry Measurements"),
    ("1.2.840.10008.5.1.4.1.1.81.1", "Ophthalmic Thickness Map"),
    ("1.2.840.10008.5.1.4.1.1.82.1", "Corneal Topography Map"),
    ("1.2.840.10008.5.1.4.1.1.88.1", "Text SR - Trial"),
    ("1.2.840.10008.5.1.4.1.1.88.2", "Audio SR - Trial"),
    ("1.2.840.10008.5.1.4.1.1.88.3", "Detail SR - Trial"),
    ("1.2.840.10008.5.1.4.1.1.88.4", "Comprehensive SR - Trial"),
    ("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR"),
    ("1.2.840.10008.5.1.4.1.1.88.22", "Enhanced SR"),
    ("1.2.840.10008.5.1.4.1.1.88.33", "Comprehensive SR"),
    ("1.2.840.10008.5.1.4.1.1.88.34", "Comprehensive 3D SR"),
    ("1.2.840.10008.5.1.4.1.1.88.35", "Extensible SR"),
    ("1.2.840.10008.5.1.4.1.1.88.40", "Procedure Log"),
    ("1.2.840.10008.5.1.4.1.1.88.50", "Mammography CAD SR"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection Document"),
    ("1.2.840.10008.5.1.4.1.1.88.65", "Chest CAD SR"),
    ("1.2.840.10008.5.1.4.1.1.88.67", "X-Ray Radiation Dose SR"),
    ("1.2.840.10008.5.1.4.1.1.88.68", "Radiopharmaceutical Radiation Dose SR"),
    ("1.2.840.10008.5.1.4.1.1.88.69", "Colon CAD SR"),
    ("1.2.840.10008.5.1.4.1.1.88.70", "Implantation Plan SR"),
    ("1.2.840.10008.5.1.4.1.1.88.71", "Acquisition Context SR"),
    ("1.2.840.10008.5.1.4.1.1.88.72", "Simplified Adult Echo SR"),
    ("1.2.840.10008.5.1.4.1.1.88.73", "Patient Radiation Dose SR"),
    ("1.2.840.10008.5.1.4.1.1.88.74", "Planned Imaging Agent Administration SR"),
    ("1.2.840.10008.5.1.4.1.1.88.75", "Performed Imaging Agent Administration SR"),
    ("1.2.840.10008.5.1.4.1.1.88.76", "Enhanced X-Ray Radiation Dose SR"),
    ("1.2.840.10008.5.1.4.1.1.88.77", "Waveform Annotation SR"),
    ("1.2.840.10008.5.1.4.1.1.90.1", "Content Assessment Results"),
    ("1.2.840.10008.5.1.4.1.1.91.1", "Microscopy Bulk Simple Annotations"),
    ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF"),
    ("1.2.840.10008.5.1.4.1.1.104.2", "Encapsulated CDA"),
    ("1.2.840.10008.5.1.4.1.1.104.3", "Encapsulated STL"),
    ("1.2.840.10008.5.1.4.1.1.104.4", "Encapsulated OBJ"),
    ("1.2.840.10008.5.1.4.1.1.104.5", "Encapsulated MTL"),
    ("1.2.840.10008.5.1.4.1.1.128", "Positron Emission Tomography"),
    ("1.2.840.10008.5.1.4.1.1.128.1", "Legacy Converted Enhanced PET"),
    ("1.2.840.10008.5.1.4.1.1.129", "Standalone PET Curve"),
    ("1.2.840.10008.5.1.4.1.1.130", "Enhanced PET"),
    ("1.2.840.10008.5.1.4.1.1.131", "Basic Structured Display"),
    ("1.2.840.10008.5.1.4.1.1.200.1", "CT Defined Procedure Protocol"),
    ("1.2.840.10008.5.1.4.1.1.200.2", "CT Performed Procedure Protocol"),
    ("1.2.840.10008.5.1.4.1.1.200.3", "Protocol Approval"),
    ("1.2.840.10008.5.1.4.1.1.200.7", "XA Defined Procedure Protocol"),
    ("1.2.840.10008.5.1.4.1.1.200.8", "XA Performed Procedure Protocol"),
    ("1.2.840.10008.5.1.4.1.1.201.1", "Inventory"),
    ("1.2.840.10008.5.1.4.1.1.481.1", "RT"),
    ("1.2.840.10008.5.1.4.1.1.481.2", "RT Dose"),
    ("1.2.840.10008.5.1.4.1.1.481.3", "RT Structure Set"),
    ("1.2.840.10008.5.1.4.1.1.481.4", "RT Beams Treatment Record"),
    ("1.2.840.10008.5.1.4.1.1.481.5", "RT Plan"),
    ("1.2.840.10008.5.1.4.1.1.481.6", "RT Brachy Treatment Record"),
    ("1.2.840.10008.5.1.4.1.1.481.7", "RT Treatment Summary Record"),
    ("1.2.840.10008.5.1.4.1.1.481.8", "RT Ion Plan"),
    ("1.2.840.10008.5.1.4.1.1.481.9", "RT Ion Beams Treatment Record"),
    ("1.2.840.10008.5.1.4.1.1.481.10", "RT Physician Intent"),
    ("1.2.840.10008.5.1.4.1.1.481.11", "RT Segment Annotation"),
    ("1.2.840.10008.5.1.4.1.1.481.12", "RT Radiation Set"),
    ("1.2.840.10008.5.1.4.1.1.481.13", "C-Arm Photon-Electron Radiation"),
    ("1.2.840.10008.5.1.4.1.1.481.14", "Tomotherapeutic Radiation"),
    ("1.2.840.10008.5.1.4.1.1.481.15", "Robotic-Arm Radiation"),
    ("1.2.840.10008.5.1.4.1.1.481.16", "RT Radiation Record Set"),
    ("1.2.840.10008.5.1.4.1.1.481.17", "RT Radiation Salvage Record"),
    ("1.2.840.10008.5.1.4.1.1.481.18", "Tomotherapeutic Radiation Record"),
    ("1.2.840.10008.5.1.4.1.1.481.19", "C-Arm Photon-Electron Radiation Record"),
    ("1.2.840.10008.5.1.4.1.1.481.20", "Robotic Radiation Record"),
    ("1.2.840.10008.5.1.4.1.1.481.21", "RT Radiation Set Delivery Instruction"),
    ("1.2.840.10008.5.1.4.1.1.481.22", "RT Treatment Preparation"),
    ("1.2.840.10008.5.1.4.1.1.481.23", "Enhanced RT"),
    ("1.2.840.10008.5.1.4.1.1.481.24", "Enhanced Continuous RT"),
    ("1.2.840.10008.5.1.4.1.1.481.25", "RT Patient Position Acquisition Instruction"),
    ("1.2.840.10008.5.1.4.1.1.501.1", "DICOS CT"),
    ("1.2.840.10008.5.1.4.1.1.501.2.1", "DICOS Digital X-Ray - For Presentation"),
    ("1.2.840.10008.5.1.4.1.1.501.2.2", "DICOS Digital X-Ray - For Processing"),
    ("1.2.840.10008.5.1.4.1.1.501.3", "DICOS Threat Detection Report"),
    ("1.2.840.10008.5.1.4.1.1.501.4", "DICOS 2D AIT"),
    ("1.2.840.10008.5.1.4.1.1.501.5", "DICOS 3D AIT"),
    ("1.2.840.10008.5.1.4.1.1.501.6", "DICOS Quadrupole Resonance (QR)"),
    ("1.2.840.10008.5.1.4.1.1.601.1", "Eddy Current"),
    ("1.2.840.10008.5.1.4.1.1.601.2", "Eddy Current Multi-frame"),
    ("1.2.840.10008.5.1.4.34.1", "RT Beams Delivery Instruction - Trial"),
    ("1.2.840.10008.5.1.4.34.7", "RT Beams Delivery Instruction"),
    ("1.2.840.10008.5.1.4.34.10", "RT Brachy Application Setup Delivery Instruction"),
    ("1.2.840.10008.5.1.4.38.1", "Hanging Protocol"),
    ("1.2.840.10008.5.1.4.39.1", "Color Palette"),
    ("1.2.840.10008.5.1.4.43.1", "Generic Implant Template"),
    ("1.2.840.10008.5.1.4.44.1", "Implant Assembly Template"),
    ("1.2.840.10008.5.1.4.45.1", "Implant Template Group"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_the_standard_stores() {
        let name = |uid: &str| storage_name(&SopClassUid::new(uid).unwrap());
        assert_eq!(name("1.2.840.10008.5.1.4.1.1.2"), Some("CT"));
        assert_eq!(name(VERIFICATION), None);
        let names: std::collections::BTreeSet<_> = STORAGE.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), STORAGE.len(), "two classes of one name");
        assert!(storage_uids().count() > 180);
        for uid in NON_PATIENT {
            assert!(name(uid).is_some(), "{uid}");
        }
    }
}

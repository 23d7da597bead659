const JOB_RULE = 'main of acme/shop, on a push';

/** What the demo applies: an issuer to trust, what may be done, and who may do it. */
export const demoDocuments = (iss: string, audience: string): string => `apiVersion: countersign.dev/v1
kind: JwtIssuer
metadata: { name: demo-github }
spec:
  iss: ${iss}
  aud: [${audience}]
  platform: github
---
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: demo-deploy-shop }
spec:
  statement:
    - sid: deploy-the-shop
      effect: Allow
      action: ['Deploy:*']
      resource: ['shop:*']
    - sid: never-delete
      effect: Deny
      action: ['Deploy:Delete']
      resource: ['*']
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: demo-main-branch }
spec:
  policy: [demo-deploy-shop]
  condition: # ${JOB_RULE}
    StringEqual:
      jwt:iss: ['${iss}']
      jwt:repository_id: ['700001']
      jwt:ref: [refs/heads/main]
      jwt:event_name: [push]
`;

/** Paths of the same documents, in the order in which they may go. */
export const demoResources = ['Role/demo-main-branch', 'Policy/demo-deploy-shop', 'JwtIssuer/demo-github'];
